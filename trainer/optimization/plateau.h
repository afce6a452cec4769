// A schedule of type plateau: the learning rate falls when a metric of the validation no longer gets better. The rule is that of
// torch.optim.lr_scheduler.ReduceLROnPlateau, on a factor instead of the rate itself. Pure, and the same on every rank.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "options/run_options.h"

namespace holdfast {

/// What a run remembers of it.
struct Plateau {
  double factor = 1;
  std::optional<double> best = {};  // none: no validation yet
  std::int64_t waited = 0;          // validations without an improvement
  std::int64_t cooldown = 0;        // validations that are still not counted
  std::string monitor = {};         // what `best` is a value of
  std::string mode = {};            // min | max
  std::string weights = {};         // the average that it was measured of; empty: the model's own
};

/// Takes in a validation of `weights`. One whose value is no number is one without an improvement. A best of another metric or of other
/// weights is forgotten, the factor is not.
void take_in(Plateau& plateau, const ScheduleOptions& options, double value, const std::string& weights);

nlohmann::json to_json(const std::map<std::string, Plateau>& plateaus);
/// Throws nlohmann::json::exception or std::invalid_argument when a field is missing, of another type, or no value that it can have.
std::map<std::string, Plateau> plateaus_from_json(const nlohmann::json& stored);

}  // namespace holdfast
