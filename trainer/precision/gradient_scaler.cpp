#include "trainer/precision/gradient_scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/json_value.h"

namespace holdfast {
namespace {

bool is_nonfinite(const Vote& facts) { return is_set(facts.nonfinite_rank) || facts.is_nonfinite != 0; }

/// Gradients are multiplied by it as float32, and divided by the same number.
double as_float(double scale) { return static_cast<double>(static_cast<float>(scale)); }

}  // namespace

nlohmann::json to_json(const GradientScale& scale) {
  return {{"scale", scale.scale}, {"good_updates", scale.good_updates}, {"skipped_updates", scale.skipped_updates}};
}

GradientScale gradient_scale_from_json(const nlohmann::json& stored) {
  GradientScale scale{.scale = number_from_json(stored.at("scale")),
                      .good_updates = integer_from_json<std::int64_t>(stored.at("good_updates")),
                      .skipped_updates = integer_from_json<std::int64_t>(stored.at("skipped_updates"))};
  if (!std::isfinite(scale.scale) || scale.scale <= 0) throw std::invalid_argument("a gradient scale that is none: " + stored.dump());
  return scale;
}

GradientScaler::GradientScaler(const PrecisionOptions& options) : options_(options) {
  if (is_on()) state_.scale = as_float(options.init_scale);
}

void GradientScaler::restore(const GradientScale& state) {
  if (is_on()) state_ = state;
}

bool GradientScaler::explains(const Vote& facts) const {
  return is_on() && is_nonfinite(facts) && std::isfinite(facts.loss_sum) && state_.scale > as_float(options_.min_scale);
}

bool GradientScaler::take(bool has_overflowed) {
  if (!is_on()) return false;
  const double before = state_.scale;
  if (has_overflowed) {
    state_.scale = std::max(as_float(state_.scale * options_.backoff_factor), as_float(options_.min_scale));
    state_.good_updates = 0;
  } else if (++state_.good_updates >= options_.growth_interval) {
    const double grown = as_float(state_.scale * options_.growth_factor);
    if (std::isfinite(grown)) state_.scale = grown;
    state_.good_updates = 0;
  }
  return state_.scale != before;
}

std::string GradientScaler::remark(const Vote& facts) const {
  if (options_.compute != NumberFormat::fp16 || !is_nonfinite(facts)) return {};
  if (!std::isfinite(facts.loss_sum))
    return "; numbers of fp16 end at 65504, and no scale of the gradient helps the loss: bf16 goes further";
  return is_on() ? fmt::format("; the gradient scale is {}, the smallest that precision.min_scale allows", state_.scale)
                 : "; there is no gradient scaler (precision.gradient_scaler)";
}

}  // namespace holdfast
