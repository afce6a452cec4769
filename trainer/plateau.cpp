#include "trainer/plateau.h"

#include <algorithm>
#include <cmath>

#include "base/json_value.h"

namespace holdfast {

using nlohmann::json;

namespace {

bool is_improvement(const ScheduleOptions& options, double value, double best) {
  const double margin = options.is_relative ? best * options.threshold : options.threshold;
  return options.mode == Mode::min ? value < best - margin : value > best + margin;
}

}  // namespace

void take_in(Plateau& plateau, const ScheduleOptions& options, double value) {
  if (plateau.monitor != options.monitor || plateau.mode != name_of(options.mode))
    plateau = {.factor = plateau.factor, .monitor = options.monitor, .mode = std::string(name_of(options.mode))};
  if (!std::isnan(value) && (!plateau.best || is_improvement(options, value, *plateau.best))) {
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
  plateau.factor = std::max(plateau.factor * options.factor, options.min_factor);
  plateau.cooldown = options.cooldown;
  plateau.waited = 0;
}

json to_json(const std::map<std::string, Plateau>& plateaus) {
  json stored = json::object();
  for (const auto& [name, plateau] : plateaus)
    stored[name] = {{"factor", plateau.factor},   {"best", plateau.best ? number_to_json(*plateau.best) : json()},
                    {"waited", plateau.waited},   {"cooldown", plateau.cooldown},
                    {"monitor", plateau.monitor}, {"mode", plateau.mode}};
  return stored;
}

std::map<std::string, Plateau> plateaus_from_json(const json& stored) {
  std::map<std::string, Plateau> plateaus;
  for (const auto& [name, state] : stored.items())
    plateaus[name] = {.factor = number_from_json(state.at("factor")),
                      .best = state.at("best").is_null() ? std::nullopt : std::optional(number_from_json(state.at("best"))),
                      .waited = integer_from_json<std::int64_t>(state.at("waited")),
                      .cooldown = integer_from_json<std::int64_t>(state.at("cooldown")),
                      .monitor = state.at("monitor"),
                      .mode = state.at("mode")};
  return plateaus;
}

}  // namespace holdfast
