#include "base/time_record.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace holdfast {

using nlohmann::json;

namespace {

std::optional<TimeCause> cause_from(const std::string& name) {
  for (std::size_t i = 0; i < kTimeCauses; ++i)
    if (name_of(static_cast<TimeCause>(i)) == name) return static_cast<TimeCause>(i);
  return std::nullopt;
}

}  // namespace

std::optional<TimeRecord> read_times(const TimeTotals& totals, double now) {
  const double begin = totals.begin.load(std::memory_order_acquire);
  if (begin == 0) return std::nullopt;
  TimeRecord record{.open_cause = static_cast<TimeCause>(std::min<std::uint32_t>(totals.current.load(), kTimeCauses - 1))};
  double closed = 0;
  for (std::size_t i = 0; i < kTimeCauses; ++i) closed += record.seconds[i] = totals.seconds[i].load();
  record.open_seconds = std::max(0.0, now - (begin + closed));
  record.seconds[static_cast<std::size_t>(record.open_cause)] += record.open_seconds;
  record.age_seconds = closed + record.open_seconds;
  // The step is written last: where it has not changed in between, the seconds belong to it.
  for (int tries = 0; tries < 3; ++tries) {
    record.completed_step = totals.completed_step.load(std::memory_order_acquire);
    record.busy_seconds = totals.busy_seconds.load(std::memory_order_acquire);
    if (totals.completed_step.load(std::memory_order_acquire) == record.completed_step) break;
  }
  return record;
}

json to_json(const TimeRecord& record) {
  json seconds = json::object();
  for (std::size_t i = 0; i < kTimeCauses; ++i)
    if (record.seconds[i] > 0) seconds[std::string(name_of(static_cast<TimeCause>(i)))] = record.seconds[i];
  return {{"age_seconds", record.age_seconds},   {"seconds", std::move(seconds)},           {"open_cause", name_of(record.open_cause)},
          {"open_seconds", record.open_seconds}, {"completed_step", record.completed_step}, {"busy_seconds", record.busy_seconds}};
}

std::optional<TimeRecord> time_record_from_json(const json& stored) try {
  const std::optional<TimeCause> open = cause_from(stored.at("open_cause"));
  if (!open) return std::nullopt;
  TimeRecord record{.age_seconds = stored.at("age_seconds"),
                    .open_cause = *open,
                    .open_seconds = stored.at("open_seconds"),
                    .completed_step = stored.at("completed_step"),
                    .busy_seconds = stored.at("busy_seconds")};
  for (const auto& [name, seconds] : stored.at("seconds").items()) {
    const std::optional<TimeCause> cause = cause_from(name);
    if (!cause) return std::nullopt;
    record.seconds[static_cast<std::size_t>(*cause)] = seconds;
  }
  return record;
} catch (const json::exception&) {
  return std::nullopt;
}

}  // namespace holdfast
