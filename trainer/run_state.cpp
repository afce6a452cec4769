#include "trainer/run_state.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace holdfast {

using nlohmann::json;

namespace {

/// JSON has no word for them, and the loss of a validation may well be infinite: "inf", "-inf", "nan".
json number_to_json(double value) { return std::isfinite(value) ? json(value) : json(fmt::format("{}", value)); }

double number_from_json(const json& stored) {
  if (!stored.is_string()) return stored.get<double>();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string& text = stored.get_ref<const std::string&>();
  return text == "inf" ? infinity : text == "-inf" ? -infinity : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

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
