// Names of metrics: those of a validation begin with val_ wherever they stand beside others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace holdfast {

inline constexpr const char *kTrainLoss = "train_loss", *kValidationPrefix = "val_";

inline bool is_of_validation(std::string_view metric) { return metric.starts_with(kValidationPrefix); }

/// Keys that a line of metrics, or the end of a run, has itself.
inline constexpr std::string_view kTakenNames[] = {"kind", "step", "loss", "weights", "texts", "wall_clock"};

/// Whether a task may call one of its metrics so: letters, digits and _, and none that is taken.
bool is_metric_name(std::string_view name);

/// Of `metrics` those of the validation.
std::vector<std::string> of_validation(const std::vector<std::string>& metrics);

/// What to say of a metric that is none of `known`, which are `what`; where there is no validation to measure it, how to turn one on.
ErrorText unknown_metric(std::string_view what, const std::string& metric, const std::vector<std::string>& known);

}  // namespace holdfast
