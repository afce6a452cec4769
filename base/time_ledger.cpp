#include "base/time_ledger.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, kTimeCauses> kNames = {"startup",
                                                              "restore",
                                                              "steps",
                                                              "data",
                                                              "collectives",
                                                              "checkpoint",
                                                              "validation",
                                                              "finish",
                                                              "recomputed_steps",
                                                              "recomputed_data",
                                                              "recomputed_collectives"};

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

std::string_view name_of(TimeCause cause) { return kNames.at(static_cast<std::size_t>(cause)); }

TimeLedger::TimeLedger(const Clock& clock, TimeTotals& totals) : clock_(clock), totals_(totals) {
  if (totals_.begin.load(kRelaxed) == 0) totals_.begin.store(clock_.seconds(), std::memory_order_release);
  since_ = totals_.begin.load(kRelaxed);
  for (const auto& seconds : totals_.seconds) since_ += seconds.load(kRelaxed);
}

void TimeLedger::begin_anew() {
  for (auto& seconds : totals_.seconds) seconds.store(0, kRelaxed);
  totals_.current.store(static_cast<std::uint32_t>(TimeCause::startup), kRelaxed);
  since_ = clock_.seconds();
  totals_.begin.store(since_, std::memory_order_release);
}

void TimeLedger::switch_to(TimeCause cause) {
  const double now = clock_.seconds();
  // One writer: no read-modify-write is needed. A kill between the two stores costs nothing: the open interval is what the sum lacks.
  std::atomic<double>& open = totals_.seconds[totals_.current.load(kRelaxed)];
  open.store(open.load(kRelaxed) + (now - since_), kRelaxed);
  totals_.current.store(static_cast<std::uint32_t>(cause), kRelaxed);
  since_ = now;
}

void TimeLedger::completed(std::int64_t step) {
  switch_to(static_cast<TimeCause>(totals_.current.load(kRelaxed)));
  double busy = 0;
  for (const TimeCause cause : {TimeCause::steps, TimeCause::data, TimeCause::recomputed_steps, TimeCause::recomputed_data})
    busy += totals_.seconds[static_cast<std::size_t>(cause)].load(kRelaxed);
  totals_.busy_seconds.store(busy, std::memory_order_release);
  totals_.completed_step.store(step, std::memory_order_release);
}

}  // namespace holdfast
