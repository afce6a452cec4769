// What a rank's ledger of time says at a moment: pure data, JSON on the wire and on disk.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "base/time_ledger.h"

namespace holdfast {

struct TimeRecord {
  double age_seconds = 0;                     // since the rank began
  std::array<double, kTimeCauses> seconds{};  // with the open interval; their sum is the age
  TimeCause open_cause = TimeCause::startup;  // of the interval that is not over yet ...
  double open_seconds = 0;                    // ... and how long it lasts by now
  std::int64_t completed_step = 0;            // with
  double busy_seconds = 0;                    // what it has taken for steps and data, without collectives, until then
  double operator[](TimeCause cause) const { return seconds[static_cast<std::size_t>(cause)]; }
};

/// `now`: by the host's monotonic clock. nullopt: the rank has not begun. Any process, at any moment: a reader beside a writer may give the
/// newest interval to its neighbour.
std::optional<TimeRecord> read_times(const TimeTotals& totals, double now);

/// Causes without time are left out.
nlohmann::json to_json(const TimeRecord& record);
/// nullopt for what to_json() cannot have made.
std::optional<TimeRecord> time_record_from_json(const nlohmann::json& stored);

}  // namespace holdfast
