// Names of metrics: those of a validation begin with val_ wherever they stand beside others.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "options/nearest.h"

namespace holdfast {

inline constexpr const char *kTrainLoss = "train_loss", *kValidationPrefix = "val_";

inline bool is_of_validation(std::string_view metric) { return metric.starts_with(kValidationPrefix); }

/// Keys that a line of metrics, or the end of a run, has itself.
inline constexpr std::string_view kTakenNames[] = {"kind", "step", "loss", "weights", "texts", "wall_clock"};

/// Whether a task may call one of its metrics so: letters, digits and _, and none that is taken.
inline bool is_metric_name(std::string_view name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  return !name.empty() && name.find_first_not_of(kAllowed) == name.npos &&
         std::find(std::begin(kTakenNames), std::end(kTakenNames), name) == std::end(kTakenNames);
}

/// Of `metrics` those of the validation.
inline std::vector<std::string> of_validation(const std::vector<std::string>& metrics) {
  std::vector<std::string> found;
  std::copy_if(metrics.begin(), metrics.end(), std::back_inserter(found), is_of_validation);
  return found;
}

inline constexpr const char* kNoValidation = "turn a validation on (`validation: {every_epochs: 1}`), with data that have a part for it";

/// What to say of a monitor that is none of `known`, which are those of the validation.
inline ErrorText unknown_validation_metric(const std::string& monitor, const std::vector<std::string>& known) {
  ErrorText text = unknown_word("a metric of the validation", monitor, known);
  if (known.empty()) text.next = kNoValidation;
  return text;
}

}  // namespace holdfast
