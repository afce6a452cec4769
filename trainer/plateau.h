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
  std::string monitor = {};         // what `best` is a value of; Mode as its name
  std::string mode = {};
};

/// Takes in a validation. One whose value is no number is one without an improvement. `best` of another metric is forgotten, the factor is
/// not.
void take_in(Plateau& plateau, const ScheduleOptions& options, double value);

nlohmann::json to_json(const std::map<std::string, Plateau>& plateaus);
/// Throws nlohmann::json::exception or std::invalid_argument when a field is missing or of another type.
std::map<std::string, Plateau> plateaus_from_json(const nlohmann::json& stored);

}  // namespace holdfast
