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

/// The validation of one rank, which goes through as many batches as all others do.
class Share {
 public:
  Share(const ValidationParts& parts, std::int64_t step) : parts_(parts), step_(step), sums_(parts.metrics) {}

  /// Collective. False: a stop was agreed on.
  bool add_all(std::optional<std::int64_t> max_batches) {
    const EvaluationMode mode(parts_.task.model());
    parts_.loader.seek(0);
    std::int64_t seen = 0;
    for (std::int64_t batches = 0; seen < parts_.loader.epoch_samples() && (!max_batches || batches < *max_batches); ++batches) {
      if (parts_.stop && since_vote_ >= parts_.stop->polls.batches() && is_set(vote().stop_rank)) return false;
      seen += parts_.loader.next_global_samples();
      add_batch();
    }
    vote();
    return true;
  }

  ValidationRecord result() {
    sums_.reduce(parts_.ranks);
    return {.step = step_, .metrics = sums_.values()};
  }

 private:
  /// What fails here is told by the next vote, which every rank is on its way to.
  void add_batch() {
    if (since_vote_++ == 0 && parts_.stop) begun_at_ = parts_.stop->clock.seconds();
    if (!failure_) try {
        const Batch batch = parts_.loader.next();
        if (batch.samples > 0) sums_.add(parts_.task.evaluate(batch));
        parts_.sections.point();
      } catch (...) {
        failure_ = std::current_exception();
      }
  }

  /// Collective. Throws what has failed on this rank or another.
  Vote vote() {
    Vote mine;
    if (failure_) mine.failed_rank = parts_.ranks.rank();
    if (parts_.stop) {
      if (parts_.stop->wants_stop()) mine.stop_rank = parts_.ranks.rank();
      if (since_vote_ > 0) mine.batch_seconds = (parts_.stop->clock.seconds() - begun_at_) / static_cast<double>(since_vote_);
    }
    const Vote all = parts_.ranks.vote(mine);
    if (failure_) std::rethrow_exception(failure_);
    if (is_set(all.failed_rank))
      throw PeerLost(fmt::format("rank {} failed in the validation after step {}; its log says why", all.failed_rank, step_));
    if (parts_.stop) parts_.stop->polls.take(all.batch_seconds);
    since_vote_ = 0;
    return all;
  }

  const ValidationParts& parts_;
  std::int64_t step_;
  Sums sums_;
  std::exception_ptr failure_;
  std::int64_t since_vote_ = 0;
  double begun_at_ = 0;
};

}  // namespace

std::optional<ValidationRecord> run_validation(const ValidationParts& parts, std::optional<std::int64_t> max_batches, std::int64_t step) {
  parts.sections.enter(Section::validation, step);
  Share share(parts, step);
  if (!share.add_all(max_batches)) return std::nullopt;
  return share.result();
}

std::string text_of(const ValidationRecord& record, std::string_view number) {
  const auto text_of_value = [number](double value) { return fmt::format(fmt::runtime(number), value); };
  std::string text = "loss " + text_of_value(record.metrics.at("loss"));
  for (const auto& [name, value] : record.metrics)
    if (name != "loss") text += fmt::format(", {} {}", name, text_of_value(value));
  return text;
}

}  // namespace holdfast
