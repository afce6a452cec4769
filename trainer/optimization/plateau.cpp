#include "trainer/optimization/plateau.h"

#include <algorithm>
#include <cmath>

#include "base/json_value.h"
#include "checkpoint/policy/score.h"

namespace holdfast {

using nlohmann::json;

namespace {

bool is_improvement(const ScheduleOptions& options, double value, const std::optional<double>& best) {
  if (std::isnan(value)) return false;
  if (!best) return is_better(options.mode, value, worst_score(options.mode));
  const double sign = options.mode == Mode::min ? -1 : 1;
  return is_better(options.mode, value, options.is_relative ? *best * (1 + sign * options.threshold) : *best + sign * options.threshold);
}

}  // namespace

void take_in(Plateau& plateau, const ScheduleOptions& options, double value, const std::string& weights) {
  if (plateau.monitor != options.monitor || plateau.mode != name_of(options.mode) || plateau.weights != weights)
    plateau = {.factor = plateau.factor, .monitor = options.monitor, .mode = std::string(name_of(options.mode)), .weights = weights};
  if (is_improvement(options, value, plateau.best)) {
    plateau.best = value;
    plateau.waited = 0;
  } else {
    ++plateau.waited;
  }
  if (plateau.cooldown > 0) {
    --plateau.cooldown;
    plateau.waited = 0;
  }
  if (plateau.waited <= options.patience) return;
  plateau.factor = std::min(plateau.factor, std::max(plateau.factor * options.factor, options.min_factor));
  plateau.cooldown = options.cooldown;
  plateau.waited = 0;
}

json to_json(const std::map<std::string, Plateau>& plateaus) {
  json stored = json::object();
  for (const auto& [name, plateau] : plateaus)
    stored[name] = {{"factor", plateau.factor},   {"best", plateau.best ? number_to_json(*plateau.best) : json()},
                    {"waited", plateau.waited},   {"cooldown", plateau.cooldown},
                    {"monitor", plateau.monitor}, {"mode", plateau.mode},
                    {"weights", plateau.weights}};
  return stored;
}

std::map<std::string, Plateau> plateaus_from_json(const json& stored) {
  std::map<std::string, Plateau> plateaus;
  for (const auto& [name, state] : stored.items()) {
    const Plateau& plateau =
        plateaus[name] = {.factor = number_from_json(state.at("factor")),
                          .best = state.at("best").is_null() ? std::nullopt : std::optional(number_from_json(state.at("best"))),
                          .waited = integer_from_json<std::int64_t>(state.at("waited")),
                          .cooldown = integer_from_json<std::int64_t>(state.at("cooldown")),
                          .monitor = state.at("monitor"),
                          .mode = state.at("mode"),
                          .weights = state.at("weights")};
    if (!(plateau.factor > 0 && plateau.factor <= 1) || plateau.waited < 0 || plateau.cooldown < 0)
      throw std::invalid_argument("no state of a schedule of type plateau: " + state.dump());
  }
  return plateaus;
}

}  // namespace holdfast
