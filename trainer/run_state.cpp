#include "trainer/run_state.h"

#include "checkpoint/format/json_number.h"

namespace holdfast {

using nlohmann::json;

json to_json(const RunState& state) {
  json validations = json::array();
  for (const ValidationRecord& record : state.validations)
    validations.push_back({{"step", record.step}, {"loss", number_to_json(record.loss)}, {"accuracy", record.accuracy}});
  return {{"global_step", state.global_step},      {"batch_index", state.batch_index},
          {"samples_seen", state.samples_seen},    {"window_loss_sum", number_to_json(state.window_loss_sum)},
          {"window_count", state.window_count},    {"optimizer_updates", state.optimizer_updates},
          {"validations", std::move(validations)}, {"owes_validation", state.owes_validation}};
}

RunState run_state_from_json(const json& stored) {
  RunState state{.global_step = stored.at("global_step"),
                 .batch_index = stored.at("batch_index"),
                 .samples_seen = stored.at("samples_seen"),
                 .window_loss_sum = number_from_json(stored.at("window_loss_sum")),
                 .window_count = stored.at("window_count"),
                 .optimizer_updates = stored.at("optimizer_updates"),
                 .owes_validation = stored.at("owes_validation")};
  for (const auto& record : stored.at("validations"))
    state.validations.push_back({record.at("step"), number_from_json(record.at("loss")), record.at("accuracy")});
  return state;
}

}  // namespace holdfast
