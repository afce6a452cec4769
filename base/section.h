// Where a rank is: the section of the loop and the step it works on. One tracker per process; it feeds the heartbeat
// that the shim reads and fires the injected faults. Only the training thread calls it, except collective()
// and point_in().
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace holdfast {

enum class Section : std::uint32_t { setup, restore, data, forward, backward, reduce, update, checkpoint, commit, validation, finish };

std::string_view name_of(Section section);
/// Throws std::invalid_argument for an unknown name.
Section section_from(std::string_view name);

class Heartbeat;

class SectionTracker {
 public:
  /// Called at every marked point with the section and step; faults are injected from here.
  using PointHook = std::function<void(Section, std::int64_t step)>;

  /// `heartbeat` may be null (no shim).
  explicit SectionTracker(Heartbeat* heartbeat) : heartbeat_(heartbeat) {}

  void on_point(PointHook hook) { hooks_.push_back(std::move(hook)); }
  /// From now on the rank works in `section` on update `step` (the update that it is about to complete; in checkpoint,
  /// commit and validation: the one that was completed last).
  void enter(Section section, std::int64_t step);
  /// A place in the middle of the current section where an injected fault may strike.
  void point();
  /// Likewise, for a thread that works behind the training thread, on something of an earlier step. Any thread.
  void point_in(Section section, std::int64_t step) const;
  /// The state of `step` is being saved from now on, whatever section the rank is in; -1: none is.
  void saving(std::int64_t step);
  /// A collective begins (inside) or has ended.
  void collective(bool is_inside);
  Section section() const { return section_; }
  std::int64_t step() const { return step_; }

 private:
  Heartbeat* heartbeat_;
  std::vector<PointHook> hooks_;
  Section section_ = Section::setup;
  std::int64_t step_ = 0;
};

}  // namespace holdfast
