// Injected faults: `--inject kill:rank=1,step=137[,section=backward][,occurrence=2]`, for people who want to see their
// recovery work. Each fires once per run: what fired is written down, durably, before it strikes, in a file that every
// attempt reads.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/section.h"

namespace holdfast {

enum class FaultKind { kill, segv, abort, exit, throw_exception, flip, stop, hang, nan, spike, stall };

struct Injection {
  FaultKind kind = FaultKind::kill;
  int rank = 0;
  std::int64_t step = 0;
  /// Fires at the first point of this section at or after `step`; none: where the update of `step` begins (data), and backward for those
  /// that spoil a number there.
  Section section = Section::data;
  /// The n-th point of the section from then on (2 with accumulation: the second batch of the update).
  int occurrence = 1;
  /// Of a stall.
  std::optional<double> seconds;
  /// The text it was made from: its identity in the record of fired injections.
  std::string text;
};

/// What `throw` throws.
class InjectedException : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// "kill, segv, …": every kind there is.
std::string fault_kinds();

/// Throws UsageError that says what is wrong and shows the form.
Injection parse_injection(std::string_view text);

/// Decides at each point whether a fault is due. Any thread may call it.
class InjectionPlan {
 public:
  /// `fired_record`: the file that remembers what has fired in this run (one text per line). Those never fire again.
  InjectionPlan(std::vector<Injection> injections, int rank, FileSystem& files, Path fired_record);
  /// What `flip` does: changes one bit of what this rank computes with. Without it, `flip` is no fault that can strike.
  void on_flip(std::function<void()> flip) { flip_ = std::move(flip); }
  /// What `nan` and `spike` do: spoil a gradient, or the loss, of the backward pass that this rank is in.
  void on_bad_number(std::function<void(FaultKind)> spoil) { spoil_ = std::move(spoil); }
  /// For SectionTracker::on_point. Records, then strikes; returns if nothing is due.
  void at_point(Section section, std::int64_t step);

 private:
  struct Pending {
    Injection injection;
    int seen = 0;
  };
  std::mutex mutex_;
  std::vector<Pending> pending_;
  Path fired_record_;
  std::function<void()> flip_;
  std::function<void(FaultKind)> spoil_;
};

}  // namespace holdfast
