#include "trainer/run_state.h"

#include "base/json_value.h"

namespace holdfast {

using nlohmann::json;

std::map<std::string, double> metrics_of(const ValidationRecord& record) {
  return {{"val_loss", record.loss}, {"val_accuracy", record.accuracy}};
}

json to_json(const RunState& state) {
  json validations = json::array();
  for (const ValidationRecord& record : state.validations) {
    validations.push_back({{"step", record.step}, {"loss", number_to_json(record.loss)}, {"accuracy", record.accuracy}});
    if (!record.weights.empty()) validations.back()["weights"] = record.weights;
  }
  return {{"global_step", state.global_step},      {"batch_index", state.batch_index},
          {"samples_seen", state.samples_seen},    {"window_loss_sum", number_to_json(state.window_loss_sum)},
          {"window_count", state.window_count},    {"optimizer_updates", state.optimizer_updates},
          {"validations", std::move(validations)}, {"owes_validation", state.owes_validation},
          {"callbacks", state.callbacks}};
}

RunState run_state_from_json(const json& stored) {
  const auto count = [](const json& value) { return integer_from_json<std::int64_t>(value); };
  RunState state{.global_step = count(stored.at("global_step")),
                 .batch_index = count(stored.at("batch_index")),
                 .samples_seen = count(stored.at("samples_seen")),
                 .window_loss_sum = number_from_json(stored.at("window_loss_sum")),
                 .window_count = count(stored.at("window_count")),
                 .callbacks = stored.at("callbacks"),
                 .owes_validation = stored.at("owes_validation")};
  for (const auto& [name, updates] : stored.at("optimizer_updates").items()) state.optimizer_updates[name] = count(updates);
  for (const auto& record : stored.at("validations"))
    state.validations.push_back({count(record.at("step")), number_from_json(record.at("loss")), number_from_json(record.at("accuracy")),
                                 record.value("weights", "")});
  return state;
}

}  // namespace holdfast
