#include "trainer/validation.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

namespace holdfast {
namespace {

using testing::HasSubstr;

/// One sample a batch.
class Batches final : public BatchLoader {
 public:
  explicit Batches(std::int64_t count) : count_(count) {}
  std::int64_t epoch_samples() const override { return count_; }
  void seek(std::int64_t) override {}
  std::int64_t next_global_samples() const override { return 1; }
  Batch next() override { return {{}, 1}; }

 private:
  std::int64_t count_;
};

class Measuring final : public Task {
 public:
  Measuring(std::vector<Metric> metrics, std::vector<Evaluation> parts) : metrics_(std::move(metrics)), parts_(std::move(parts)) {}
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch&) override { throw std::logic_error("only evaluated"); }
  Evaluation evaluate(const Batch&) override { return parts_.at(calls_++); }
  std::vector<Metric> metrics() const override { return metrics_; }

 private:
  torch::nn::Linear module_{1, 1};
  std::vector<Metric> metrics_;
  std::vector<Evaluation> parts_;
  std::size_t calls_ = 0;
};

std::map<std::string, double> measured(std::vector<Metric> metrics, std::vector<Evaluation> parts) {
  const auto ranks = make_local_communicator();
  SectionTracker sections(nullptr);
  Batches loader(static_cast<std::int64_t>(parts.size()));
  Measuring task(metrics, std::move(parts));
  const ValidationRecord record = *run_validation({*ranks, sections, task, loader, metrics}, std::nullopt, 7);
  EXPECT_EQ(record.step, 7);
  return record.metrics;
}

TEST(Validation, DividesWhatAllBatchesHaveAddedUp) {
  const std::vector<Evaluation> parts = {{.loss_sum = 1, .count = 1, .metrics = {{"recall", {1, 1}}}},
                                         {.loss_sum = 8, .count = 2, .metrics = {{"recall", {0, 3}}}}};
  const auto values = measured({{.name = "recall"}}, parts);
  EXPECT_DOUBLE_EQ(values.at("loss"), 3);
  EXPECT_DOUBLE_EQ(values.at("recall"), 0.25) << "not the mean of the batches' means";
}

TEST(Validation, MakesValuesOfSums) {
  using Value = Metric::Value;
  const MetricSum added{18, 2};
  const auto values = measured({{"a", Value::mean}, {"b", Value::exp_of_mean}, {"c", Value::root_of_mean}, {"d", Value::sum}},
                               {{.loss_sum = 0, .count = 1, .metrics = {{"a", added}, {"b", added}, {"c", added}, {"d", added}}}});
  EXPECT_DOUBLE_EQ(values.at("a"), 9);
  EXPECT_DOUBLE_EQ(values.at("b"), std::exp(9.0));
  EXPECT_DOUBLE_EQ(values.at("c"), 3);
  EXPECT_DOUBLE_EQ(values.at("d"), 18);
}

TEST(Validation, WhatNoBatchHasCountedIsNotANumber) {
  const auto values = measured({{.name = "recall"}, {.name = "total", .value = Metric::Value::sum}}, {{.loss_sum = 1, .count = 1}});
  EXPECT_TRUE(std::isnan(values.at("recall")));
  EXPECT_EQ(values.at("total"), 0);
}

TEST(Validation, AMetricThatTheTaskDoesNotNameIsAnError) {
  EXPECT_THAT(
      [] {
        measured({{.name = "recall"}}, {{.loss_sum = 1, .count = 1, .metrics = {{"recal", {1, 1}}}}});
      },
      testing::ThrowsMessage<std::logic_error>(HasSubstr("evaluate() of the task measures 'recal', which its metrics() does not name")));
}

TEST(Validation, IsToldWithTheLossFirst) {
  EXPECT_EQ(text_of({.step = 1, .metrics = {{"accuracy", 0.88681}, {"loss", 0.34491}}}), "loss 0.3449, accuracy 0.8868");
  EXPECT_EQ(text_of({.step = 1, .metrics = {{"loss", 0.1}}}, "{}"), "loss 0.1");
}

}  // namespace
}  // namespace holdfast
