#include "trainer/state/run_state.h"

#include "base/json_value.h"
#include "options/metric_name.h"

namespace holdfast {

using nlohmann::json;

std::map<std::string, double> metrics_of(const ValidationRecord& record) {
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : record.metrics) metrics[kValidationPrefix + name] = value;
  return metrics;
}

json to_json(const std::vector<SampleRange>& ranges) {
  json list = json::array();
  for (const SampleRange& range : ranges) list.push_back({range.first, range.end});
  return list;
}

std::vector<SampleRange> ranges_from_json(const json& stored) {
  std::vector<SampleRange> ranges;
  for (const json& range : list_from_json(stored)) {
    ranges.push_back({integer_from_json<std::int64_t>(range.at(0)), integer_from_json<std::int64_t>(range.at(1))});
    if (ranges.back().first < 0 || ranges.back().end <= ranges.back().first)
      throw std::invalid_argument("a range of samples that is none: " + range.dump());
  }
  return ranges;
}

json to_json(const RunState& state) {
  json validations = json::array();
  for (const ValidationRecord& record : state.validations) {
    validations.push_back({{"step", record.step}, {"metrics", json::object()}});
    for (const auto& [name, value] : record.metrics) validations.back()["metrics"][name] = number_to_json(value);
    if (!record.weights.empty()) validations.back()["weights"] = record.weights;
  }
  json stored = {{"global_step", state.global_step},      {"batch_index", state.batch_index},
                 {"samples_seen", state.samples_seen},    {"window_loss_sum", number_to_json(state.window_loss_sum)},
                 {"window_count", state.window_count},    {"optimizer_updates", state.optimizer_updates},
                 {"validations", std::move(validations)}, {"owes_validation", state.owes_validation},
                 {"callbacks", state.callbacks},          {"plateaus", to_json(state.plateaus)},
                 {"left_out", to_json(state.left_out)},   {"left_out_in_a_row", state.left_out_in_a_row},
                 {"recent_losses", state.recent_losses}};
  if (state.gradient_scale) stored["gradient_scale"] = to_json(*state.gradient_scale);
  if (state.gradient_seed != 1) stored["gradient_seed"] = state.gradient_seed;
  return stored;
}

RunState run_state_from_json(const json& stored) {
  const auto count = [](const json& value) { return integer_from_json<std::int64_t>(value); };
  RunState state{.global_step = count(stored.at("global_step")),
                 .batch_index = count(stored.at("batch_index")),
                 .samples_seen = count(stored.at("samples_seen")),
                 .window_loss_sum = number_from_json(stored.at("window_loss_sum")),
                 .window_count = count(stored.at("window_count")),
                 .plateaus = plateaus_from_json(stored.at("plateaus")),
                 .callbacks = stored.at("callbacks"),
                 .owes_validation = stored.at("owes_validation")};
  if (stored.contains("left_out")) {  // checkpoints of earlier versions have none
    state.left_out = ranges_from_json(stored["left_out"]);
    state.left_out_in_a_row = count(stored.at("left_out_in_a_row"));
    for (const json& loss : list_from_json(stored.at("recent_losses"))) state.recent_losses.push_back(number_from_json(loss));
  }
  if (stored.contains("gradient_scale")) state.gradient_scale = gradient_scale_from_json(stored["gradient_scale"]);
  if (stored.contains("gradient_seed")) state.gradient_seed = number_from_json(stored["gradient_seed"]);
  for (const auto& [name, updates] : stored.at("optimizer_updates").items()) state.optimizer_updates[name] = count(updates);
  for (const auto& record : list_from_json(stored.at("validations"))) {
    state.validations.push_back({.step = count(record.at("step")), .metrics = {}, .weights = record.value("weights", "")});
    for (const auto& [name, value] : record.at("metrics").items()) state.validations.back().metrics[name] = number_from_json(value);
  }
  return state;
}

}  // namespace holdfast
