// Metrics of tasks that choose one of several classes: how often the right one has the highest score, or is among the k highest.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trainer/task.h"

namespace holdfast {

/// "accuracy", and "top5_accuracy" for a 5 in `top_k`: shares, 0 to 1.
std::vector<Metric> accuracy_metrics(const std::vector<std::int64_t>& top_k = {});

/// What those add up. `scores` [n, classes, ...] of any floating-point type, `labels` int64 [n, ...]; a negative label counts for nothing
/// (PyTorch's ignore_index). Of equal scores the class with the lower number is ahead; a score that is not a number is ahead of all others,
/// and never right.
std::map<std::string, MetricSum> measure_accuracy(const at::Tensor& scores, const at::Tensor& labels,
                                                  const std::vector<std::int64_t>& top_k = {});

}  // namespace holdfast
