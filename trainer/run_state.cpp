#include "trainer/run_state.h"

#include "base/json_value.h"
#include "options/metric_name.h"

namespace holdfast {

using nlohmann::json;

std::map<std::string, double> metrics_of(const ValidationRecord& record) {
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : record.metrics) metrics[kValidationPrefix + name] = value;
  return metrics;
}

json to_json(const RunState& state) {
  json validations = json::array();
  for (const ValidationRecord& record : state.validations) {
    validations.push_back({{"step", record.step}, {"metrics", json::object()}});
    for (const auto& [name, value] : record.metrics) validations.back()["metrics"][name] = number_to_json(value);
    if (!record.weights.empty()) validations.back()["weights"] = record.weights;
  }
  return {{"global_step", state.global_step},      {"batch_index", state.batch_index},
          {"samples_seen", state.samples_seen},    {"window_loss_sum", number_to_json(state.window_loss_sum)},
          {"window_count", state.window_count},    {"optimizer_updates", state.optimizer_updates},
          {"validations", std::move(validations)}, {"owes_validation", state.owes_validation},
          {"callbacks", state.callbacks},          {"plateaus", to_json(state.plateaus)}};
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
  for (const auto& [name, updates] : stored.at("optimizer_updates").items()) state.optimizer_updates[name] = count(updates);
  for (const auto& record : list_from_json(stored.at("validations"))) {
    state.validations.push_back({.step = count(record.at("step")), .metrics = {}, .weights = record.value("weights", "")});
    for (const auto& [name, value] : record.at("metrics").items()) state.validations.back().metrics[name] = number_from_json(value);
  }
  return state;
}

}  // namespace holdfast
