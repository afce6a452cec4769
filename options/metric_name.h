// Names of metrics: those of a validation begin with val_ wherever they stand beside others.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace holdfast {

inline constexpr const char *kTrainLoss = "train_loss", *kValidationPrefix = "val_";

inline bool is_of_validation(std::string_view metric) { return metric.starts_with(kValidationPrefix); }

/// Whether a task may call one of its metrics so: letters, digits and _, and no key that a line of metrics or the end of a run has itself.
inline bool is_metric_name(std::string_view name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  constexpr std::string_view kTaken[] = {"kind", "step", "loss", "weights", "wall_clock"};
  return !name.empty() && name.find_first_not_of(kAllowed) == name.npos &&
         std::find(std::begin(kTaken), std::end(kTaken), name) == std::end(kTaken);
}

}  // namespace holdfast
