#include "trainer/accuracy.h"

#include <fmt/format.h>
#include <torch/types.h>

namespace holdfast {
namespace {

std::string name_of_top(std::int64_t k) { return fmt::format("top{}_accuracy", k); }

/// How many classes are ahead of the label's, int64 of the shape of `labels`.
at::Tensor classes_ahead(const at::Tensor& scores, const at::Tensor& labels) {
  const at::Tensor label = labels.unsqueeze(1), own = scores.gather(1, label);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(scores.dim()), 1);
  shape[1] = scores.size(1);
  const at::Tensor number = at::arange(scores.size(1), labels.options()).view(shape);
  const at::Tensor is_behind = scores.lt(own).logical_or(scores.eq(own).logical_and(number.ge(label)));  // false where one is no number
  return is_behind.logical_not().sum(1);
}

}  // namespace

std::vector<Metric> accuracy_metrics(const std::vector<std::int64_t>& top_k) {
  std::vector<Metric> metrics = {{.name = "accuracy"}};
  for (const std::int64_t k : top_k) metrics.push_back({.name = name_of_top(k)});
  return metrics;
}

std::map<std::string, MetricSum> measure_accuracy(const at::Tensor& scores, const at::Tensor& labels,
                                                  const std::vector<std::int64_t>& top_k) {
  const at::Tensor counts = labels.ge(0), ahead = classes_ahead(scores, labels.clamp_min(0));
  const std::int64_t count = counts.sum().item<std::int64_t>();
  const auto share = [&](std::int64_t k) {
    return MetricSum{static_cast<double>(ahead.lt(k).logical_and(counts).sum().item<std::int64_t>()), count};
  };
  std::map<std::string, MetricSum> sums = {{"accuracy", share(1)}};
  for (const std::int64_t k : top_k) sums[name_of_top(k)] = share(k);
  return sums;
}

}  // namespace holdfast
