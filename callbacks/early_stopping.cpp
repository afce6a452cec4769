#include "callbacks/early_stopping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json_value.h"
#include "checkpoint/policy/score.h"
#include "options/metric_name.h"

namespace holdfast {

using nlohmann::json;

void EarlyStoppingOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "monitor", .doc = "The metric of the validation that has to get better.", .synonyms = "metric"}, monitor);
  visitor.choice({.name = "mode", .doc = "Which way is better."}, mode, kModeNames);
  visitor.field(
      {.name = "patience", .doc = "So many validations in a row without an improvement end the run.", .unit = "validations", .min = 1},
      patience);
  visitor.field({.name = "min_delta", .doc = "What is better by no more than this is no improvement.", .min = 0, .synonyms = "threshold"},
                min_delta);
  visitor.field({.name = "check_finite", .doc = "A value that is not finite ends the run at once. false: it is no improvement."},
                check_finite);
  visitor.field(
      {.name = "stopping_threshold", .doc = "A better value than this ends the run at once. null: none does.", .min = -1e300, .max = 1e300},
      stopping_threshold);
  visitor.field({.name = "divergence_threshold",
                 .doc = "A worse value than this ends the run at once. null: none does.",
                 .min = -1e300,
                 .max = 1e300},
                divergence_threshold);
  visitor.field({.name = "min_steps", .doc = "Before so many updates the run is not ended.", .unit = "updates", .min = 0}, min_steps);
}

void require_consistent(const EarlyStoppingOptions& options, const OptionTree& tree, const std::vector<std::string>& metrics) {
  const std::vector<std::string> known = of_validation(metrics);
  if (std::find(known.begin(), known.end(), options.monitor) != known.end()) return;
  ErrorText text = unknown_metric("a metric of the validation", options.monitor, known);
  text.attempted = tree.locate("monitor", "callbacks: early_stopping: monitor");
  throw ConfigError(text);
}

bool EarlyStopping::is_better(double value, double than, double delta) const {
  return holdfast::is_better(options_.mode, value, options_.mode == Mode::min ? than - delta : than + delta);
}

void EarlyStopping::on_validation_end(const RunView& run, const std::map<std::string, double>& metrics, Communicator&) {
  const std::string weights = run.state.validations.empty() ? "" : run.state.validations.back().weights;
  if (weights != weights_) *this = EarlyStopping(options_);
  weights_ = weights;
  newest_ = metrics.at(options_.monitor);
  newest_step_ = run.state.global_step;
  if (std::isfinite(*newest_) && (!best_ || is_better(*newest_, *best_, options_.min_delta))) {
    best_ = newest_;
    best_step_ = newest_step_;
    waited_ = 0;
  } else {
    ++waited_;
  }
}

std::optional<std::string> EarlyStopping::end_reason() const {
  if (!newest_ || newest_step_ < options_.min_steps) return std::nullopt;
  const auto is = fmt::format("{} is {:.6g} at step {}", options_.monitor, *newest_, newest_step_);
  if (options_.check_finite && !std::isfinite(*newest_)) return is + ", which is not finite";
  if (options_.stopping_threshold && is_better(*newest_, *options_.stopping_threshold, 0))
    return fmt::format("{}, better than {:.6g}", is, *options_.stopping_threshold);
  if (options_.divergence_threshold && is_better(*options_.divergence_threshold, *newest_, 0))
    return fmt::format("{}, worse than {:.6g}", is, *options_.divergence_threshold);
  if (waited_ < options_.patience) return std::nullopt;
  return fmt::format("{}; no better than {} for {} validations", is,
                     best_ ? fmt::format("{:.6g} of step {}", *best_, best_step_) : "any number", waited_);
}

json EarlyStopping::state() const {
  const auto number = [](const std::optional<double>& value) { return value ? number_to_json(*value) : json(); };
  return {{"monitor", options_.monitor}, {"mode", name_of(options_.mode)}, {"best", number(best_)}, {"best_step", best_step_},
          {"newest", number(newest_)},   {"newest_step", newest_step_},    {"waited", waited_},     {"weights", weights_}};
}

void EarlyStopping::restore(const json& state) {
  if (state.at("monitor") != options_.monitor || state.at("mode") != name_of(options_.mode)) return;
  const auto number = [](const json& value) { return value.is_null() ? std::nullopt : std::optional(number_from_json(value)); };
  best_ = number(state.at("best"));
  best_step_ = state.at("best_step");
  newest_ = number(state.at("newest"));
  newest_step_ = state.at("newest_step");
  waited_ = state.at("waited");
  weights_ = state.at("weights");
}

}  // namespace holdfast
