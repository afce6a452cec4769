// Where the wall time of a rank goes: it is always in exactly one cause, and each switch from one to the next reads the clock once. The
// totals lie where another process can read them at any moment, so that the times of a killed rank are not lost.
// Written by the training thread alone; read by anyone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace holdfast {

/// What a rank does with its time. The last three are those of steps that an earlier attempt had computed already.
enum class TimeCause : std::uint32_t {
  startup,
  restore,
  steps,        // forward, backward, update, and what is done between two steps
  data,         // waiting for the next batch
  collectives,  // inside a collective of a step
  checkpoint,   // held up by a save
  validation,
  finish,
  recomputed_steps,
  recomputed_data,
  recomputed_collectives
};
inline constexpr std::size_t kTimeCauses = 11;

std::string_view name_of(TimeCause cause);

/// Of a step that was computed before: the cause that it counts as.
constexpr TimeCause recomputed(TimeCause cause) {
  switch (cause) {
    case TimeCause::steps: return TimeCause::recomputed_steps;
    case TimeCause::data: return TimeCause::recomputed_data;
    case TimeCause::collectives: return TimeCause::recomputed_collectives;
    default: return cause;
  }
}

/// What is in the shared memory; all zero: the rank has not begun. Seconds of the host's monotonic clock.
struct TimeTotals {
  std::atomic<double> begin;
  std::atomic<std::uint32_t> current;                    // TimeCause
  std::array<std::atomic<double>, kTimeCauses> seconds;  // without the interval that is open: it began at `begin` + their sum
  std::atomic<std::int64_t> completed_step;              // the newest update that completed() was told of
  std::atomic<double> busy_seconds;                      // in steps and for data, without collectives, until it was complete
};

class TimeLedger {
 public:
  /// Begins in startup. Totals that have begun already go on.
  TimeLedger(const Clock& clock, TimeTotals& totals);
  /// What was booked so far is forgotten: the rank begins now.
  void begin_anew();
  /// From now on the time is spent for `cause`. Less than 100 ns.
  void switch_to(TimeCause cause);
  /// An update is complete.
  void completed(std::int64_t step);

 private:
  const Clock& clock_;
  TimeTotals& totals_;
  double since_;
};

}  // namespace holdfast
