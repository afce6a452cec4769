// Where a rank is: the section of the loop and the step it works on. One tracker per process; it feeds the heartbeat
// that the shim reads, books the time of the training thread, and fires the injected faults. Only the training thread calls it,
// except collective() and point_in().
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/time_ledger.h"

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

  /// `heartbeat` may be null (no shim). The time is booked from here on; `clock`: null for the system's.
  explicit SectionTracker(Heartbeat* heartbeat, const Clock* clock = nullptr);
  SectionTracker(const SectionTracker&) = delete;
  SectionTracker& operator=(const SectionTracker&) = delete;

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

  /// While it lives, the time is booked under one cause, whatever section and collective the rank is in.
  class Charge {
   public:
    Charge(SectionTracker& sections, TimeCause cause);
    ~Charge();
    Charge(const Charge&) = delete;
    Charge& operator=(const Charge&) = delete;

   private:
    SectionTracker& sections_;
    bool had_charge_;
    TimeCause before_;
  };
  /// The rank was started ahead of time, and begins now.
  void begin_anew() { ledger_.begin_anew(); }
  /// Steps up to this one have been computed by an earlier attempt: their time is booked as recomputed.
  void recompute_until(std::int64_t step) { recompute_until_ = step; }
  /// An update is complete, with all that is done after it on every step.
  void completed(std::int64_t step) { ledger_.completed(step); }
  const TimeTotals& times() const { return times_; }

 private:
  void book();
  SystemClock system_clock_;
  TimeTotals own_times_{};  // where there is no heartbeat
  TimeTotals& times_;
  TimeLedger ledger_;
  std::thread::id training_thread_ = std::this_thread::get_id();
  std::int64_t recompute_until_ = 0;
  bool is_inside_collective_ = false, has_charge_ = false;
  TimeCause charge_ = TimeCause::startup;
  Heartbeat* heartbeat_;
  std::vector<PointHook> hooks_;
  Section section_ = Section::setup;
  std::int64_t step_ = 0;
};

}  // namespace holdfast
