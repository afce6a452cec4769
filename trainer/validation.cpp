#include "trainer/validation.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <span>

#include "base/error.h"
#include "trainer/evaluation_mode.h"

namespace holdfast {
namespace {

/// What validation adds up: the loss, and then the metrics in their order.
class Sums {
 public:
  explicit Sums(std::vector<Metric> metrics) : metrics_(std::move(metrics)) {
    metrics_.insert(metrics_.begin(), {.name = "loss"});
    sums_.resize(metrics_.size());
    counts_.resize(metrics_.size());
  }

  void add(const Evaluation& part) {
    add(0, {part.loss_sum, part.count});
    for (const auto& [name, sum] : part.metrics) {
      const auto known = std::find_if(metrics_.begin() + 1, metrics_.end(), [&](const Metric& metric) { return metric.name == name; });
      if (known == metrics_.end())
        throw std::logic_error(fmt::format("evaluate() of the task measures '{}', which its metrics() does not name", name));
      add(static_cast<std::size_t>(known - metrics_.begin()), sum);
    }
  }

  /// Collective.
  void reduce(Communicator& ranks) {
    ranks.all_reduce(std::as_writable_bytes(std::span(sums_)), ReduceType::f64, ReduceOp::sum);
    ranks.all_reduce(std::as_writable_bytes(std::span(counts_)), ReduceType::i64, ReduceOp::sum);
  }

  std::map<std::string, double> values() const {
    std::map<std::string, double> values;
    for (std::size_t i = 0; i < metrics_.size(); ++i) values[metrics_[i].name] = value(metrics_[i].value, sums_[i], counts_[i]);
    return values;
  }

 private:
  void add(std::size_t i, const MetricSum& part) {
    sums_[i] += part.sum;
    counts_[i] += part.count;
  }

  static double value(Metric::Value value, double sum, std::int64_t count) {
    const double mean = count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
    switch (value) {
      case Metric::Value::mean: return mean;
      case Metric::Value::exp_of_mean: return std::exp(mean);
      case Metric::Value::root_of_mean: return std::sqrt(mean);
      case Metric::Value::sum: return sum;
    }
    throw std::logic_error("a metric of no known kind");
  }

  std::vector<Metric> metrics_;
  std::vector<double> sums_;
  std::vector<std::int64_t> counts_;
};

void add_my_share(const ValidationParts& parts, std::optional<std::int64_t> max_batches, Sums& sums) {
  const EvaluationMode mode(parts.task.model());
  parts.loader.seek(0);
  std::int64_t seen = 0;
  for (std::int64_t batches = 0; seen < parts.loader.epoch_samples() && (!max_batches || batches < *max_batches); ++batches) {
    seen += parts.loader.next_global_samples();
    const Batch batch = parts.loader.next();
    if (batch.samples > 0) sums.add(parts.task.evaluate(batch));
    parts.sections.point();
  }
}

}  // namespace

ValidationRecord run_validation(const ValidationParts& parts, std::optional<std::int64_t> max_batches, std::int64_t step) {
  parts.sections.enter(Section::validation, step);
  Sums sums(parts.metrics);
  Vote mine;
  std::exception_ptr failure;
  try {
    add_my_share(parts, max_batches, sums);
  } catch (...) {
    failure = std::current_exception();
    mine.failed_rank = parts.ranks.rank();
  }
  const Vote all = parts.ranks.vote(mine);
  if (failure) std::rethrow_exception(failure);
  if (is_set(all.failed_rank))
    throw PeerLost(fmt::format("rank {} failed in the validation after step {}; its log says why", all.failed_rank, step));
  sums.reduce(parts.ranks);
  return {.step = step, .metrics = sums.values()};
}

std::string text_of(const ValidationRecord& record, std::string_view number) {
  const auto text_of_value = [number](double value) { return fmt::format(fmt::runtime(number), value); };
  std::string text = "loss " + text_of_value(record.metrics.at("loss"));
  for (const auto& [name, value] : record.metrics)
    if (name != "loss") text += fmt::format(", {} {}", name, text_of_value(value));
  return text;
}

}  // namespace holdfast
