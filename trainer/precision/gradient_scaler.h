// The scale that backward passes in fp16 start from, so that small gradients do not become zero, after Micikevicius et al. 2018 and
// torch.amp.GradScaler. Pure: what it is told is known to all ranks alike, and so is the scale. No LibTorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "dist/vote.h"
#include "options/run_options.h"

namespace holdfast {

/// What a checkpoint holds of it.
struct GradientScale {
  double scale = 1;
  std::int64_t good_updates = 0;     // in a row, since the scale has changed
  std::int64_t skipped_updates = 0;  // of the run, because gradients had overflowed; of each optimizer, where a task steps them itself
  bool operator==(const GradientScale&) const = default;
};

nlohmann::json to_json(const GradientScale& scale);
/// Throws nlohmann::json::exception or std::invalid_argument.
GradientScale gradient_scale_from_json(const nlohmann::json& stored);

class GradientScaler {
 public:
  explicit GradientScaler(const PrecisionOptions& options);

  bool is_on() const { return options_.scales_gradients(); }
  /// 1 where it is off.
  double scale() const { return state_.scale; }
  /// nullopt: it is off.
  std::optional<GradientScale> state() const { return is_on() ? std::optional(state_) : std::nullopt; }
  /// Of the same run, whatever its options were. Nothing happens where it is off.
  void restore(const GradientScale& state);

  /// Whether numbers that are not finite are the scale's fault: a loss is not scaled, and at the smallest scale there is none to blame.
  bool explains(const Vote& facts) const;
  /// An optimizer was not stepped for that reason.
  void count_skipped() { ++state_.skipped_updates; }
  /// After an update (under manual optimization: a batch in which anything was to be stepped). True: the scale has changed.
  bool take(bool has_overflowed);
  /// What is to be added to a message about bad numbers; may be empty.
  std::string remark(const Vote& facts) const;

 private:
  PrecisionOptions options_;
  GradientScale state_;
};

}  // namespace holdfast
