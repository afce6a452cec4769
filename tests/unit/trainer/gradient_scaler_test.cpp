// The scale moves as PyTorch's does, and an update whose gradients have overflowed is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <ATen/ops/_amp_update_scale.h>
#include <algorithm>
#include <random>

#include "base/error.h"
#include "lone_step.h"
#include "trainer/precision/gradient_scaler.h"

namespace holdfast {
namespace {

constexpr double kScale = 1 << 20;

PrecisionOptions fp16(double init_scale, std::int64_t growth_interval = 2000, double min_scale = 1) {
  return {.compute = NumberFormat::fp16, .init_scale = init_scale, .growth_interval = growth_interval, .min_scale = min_scale};
}

Vote overflow() {
  Vote facts;
  facts.nonfinite_rank = 1;
  return facts;
}

TEST(GradientScaler, MovesAsTheOneOfPyTorchOverAnySequence) {
  std::mt19937 draw(7);
  for (const std::int64_t interval : {1, 2, 5, 40}) {
    GradientScaler scaler(fp16(65536, interval, 1e-30));
    at::Tensor scale = torch::full({}, 65536.0f), tracker = torch::zeros({}, at::kInt);
    for (int i = 0; i < 1000; ++i) {
      const bool has_overflowed = draw() % static_cast<std::uint64_t>(interval + 1) == 0;
      scaler.take(has_overflowed);
      at::_amp_update_scale_(scale, tracker, torch::full({}, has_overflowed ? 1.0f : 0.0f), 2.0, 0.5, interval);
      ASSERT_EQ(scaler.scale(), scale.item<float>()) << i;
      ASSERT_EQ(scaler.state()->good_updates, tracker.item<int>()) << i;
    }
  }
}

TEST(GradientScaler, IsBlamedForGradientsOnlyAndNotForALossNorAtItsMinimum) {
  GradientScaler scaler(fp16(4, 2000, 1.1));
  EXPECT_TRUE(scaler.explains(overflow()));
  EXPECT_FALSE(scaler.explains(Vote{}));
  Vote loss = overflow();
  loss.loss_sum = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(scaler.explains(loss));
  EXPECT_THAT(scaler.remark(loss), testing::HasSubstr("65504"));
  for (int i = 0; i < 2; ++i) scaler.take(true);
  EXPECT_FALSE(scaler.explains(overflow())) << "1.1 is no float: the smallest scale has to be found all the same";
  EXPECT_THAT(scaler.remark(overflow()), testing::HasSubstr("precision.min_scale"));
  GradientScaler off({.compute = NumberFormat::bf16});
  EXPECT_FALSE(off.explains(overflow()));
  EXPECT_EQ(off.scale(), 1);
  EXPECT_FALSE(off.take(true));
}

TEST(GradientScaler, GoesOnWhereItsStateSays) {
  GradientScaler scaler(fp16(kScale, 3)), other(fp16(2, 3));
  for (const bool has_overflowed : {false, true, false, false}) scaler.take(has_overflowed);
  scaler.count_skipped();
  other.restore(gradient_scale_from_json(nlohmann::json::parse(to_json(*scaler.state()).dump())));
  EXPECT_EQ(other.state(), scaler.state());
  scaler.take(false);
  other.take(false);
  EXPECT_EQ(other.scale(), kScale) << "the third in a row";
  EXPECT_EQ(other.state(), scaler.state());
  EXPECT_THROW(gradient_scale_from_json({{"scale", 0}, {"good_updates", 0}, {"skipped_updates", 0}}), std::invalid_argument);
}

/// Batches of four rows of ones.
class Ones final : public BatchLoader {
 public:
  std::int64_t epoch_samples() const override { return 400; }
  void seek(std::int64_t) override {}
  std::int64_t next_global_samples() const override { return 4; }
  Batch next() override { return {{torch::ones({4, 1})}, 4}; }
};

struct Weights final : torch::nn::Module {
  Weights() {
    a = register_parameter("a", torch::ones({1}));
    b = register_parameter("b", torch::ones({1}));
  }
  at::Tensor a, b;
};

/// The gradient of `a`, times the scale, passes through fp16; that of `b` does not.
at::Tensor through_half(const at::Tensor& weight, const Batch& batch) {
  return (weight * batch.fields[0]).to(at::kHalf).to(at::kFloat).sum();
}

class Halved final : public Task {
 public:
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch& batch) override { return {through_half(module_->a, batch) + (module_->b * batch.fields[0]).sum(), batch.samples}; }
  Evaluation evaluate(const Batch&) override { return {}; }

 private:
  std::shared_ptr<Weights> module_ = std::make_shared<Weights>();
};

/// `a` steps with each batch, `b` with every third.
class HalvedByHand final : public Task {
 public:
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch&) override { throw std::logic_error("manual"); }
  Evaluation evaluate(const Batch&) override { return {}; }
  bool is_manual() const override { return true; }
  void train_batch(const Batch& batch, ManualOptimization& optimization) override {
    optimization.backward("a", {through_half(module_->a, batch), batch.samples});
    optimization.step("a");
    optimization.backward("b", {(module_->b * batch.fields[0]).sum(), batch.samples});
    if (++batches_ % 3 == 0) optimization.step("b");
  }

 private:
  std::shared_ptr<Weights> module_ = std::make_shared<Weights>();
  std::int64_t batches_ = 0;
};

LoneStep with_precision(Task& task, const PrecisionOptions& precision) {
  Configuration configuration;
  configuration.precision = precision;
  configuration.data.global_batch_size = 4;
  for (const std::string name : {"a", "b"})
    configuration.optimizers[name] = {.type = OptimizerKind::sgd, .lr = 1, .weight_decay = 0, .parameters = {name}};
  return {task, std::move(configuration), std::make_unique<Ones>()};
}

TEST(Overflow, AnUpdateThatIsSkippedConsumesItsBatchAndIsNoStep) {
  Halved task;
  LoneStep run = with_precision(task, fp16(kScale));
  // 2^20 over 4 samples, each with half of it: 65504 is not passed from 2^17 on.
  for (int i = 0; i < 3; ++i) {
    const Vote facts = run.step->run(run.state);
    EXPECT_EQ(facts.count, 0);
    EXPECT_EQ(run.state.global_step, 0);
  }
  EXPECT_EQ(run.state.samples_seen, 12);
  EXPECT_EQ(run.state.batch_index, 3);
  EXPECT_EQ(run.state.window_count, 0);
  EXPECT_EQ(*run.state.gradient_scale, (GradientScale{.scale = kScale / 8, .good_updates = 0, .skipped_updates = 3}));
  EXPECT_EQ(task.model().named_parameters()["b"].item<float>(), 1) << "an optimizer without an overflow waits for the others";
  run.step->run(run.state);
  EXPECT_EQ(run.state.global_step, 1);
  EXPECT_EQ(run.state.optimizer_updates, (std::map<std::string, std::int64_t>{{"a", 1}, {"b", 1}}));
  EXPECT_EQ(run.state.gradient_scale->good_updates, 1);
  // A mean gradient of 1, whatever the scale.
  EXPECT_EQ(task.model().named_parameters()["a"].item<float>(), 0);
  EXPECT_EQ(task.model().named_parameters()["b"].item<float>(), 0);
}

TEST(Overflow, OfWhatACallbackHasSummedUpIsNotThatOfTheGradients) {
  Halved task;
  LoneStep run = with_precision(task, fp16(1024));
  run.step->run(run.state);
  run.ranks.nonfinite_rank = 1;
  run.step->run(run.state);
  EXPECT_EQ(run.state.global_step, 2);
  EXPECT_EQ(*run.state.gradient_scale, (GradientScale{.scale = 1024, .good_updates = 2, .skipped_updates = 0}));
}

TEST(Overflow, AtTheSmallestScaleIsABadNumber) {
  Halved task;
  LoneStep run = with_precision(task, fp16(kScale, 2000, kScale / 2));
  run.step->run(run.state);
  EXPECT_THAT([&] { run.step->run(run.state); }, testing::ThrowsMessage<FutileError>(testing::HasSubstr("precision.min_scale")));
  EXPECT_EQ(run.state.global_step, 0);
}

TEST(Overflow, UnderManualOptimizationSkipsTheOptimizerThatHasItAndWhatWaitsKeepsItsMeaning) {
  HalvedByHand task;
  LoneStep run = with_precision(task, fp16(kScale));  // as above: too high three times
  run.step->run(run.state);
  EXPECT_EQ(run.state.gradient_scale->scale, kScale / 2);
  EXPECT_EQ(run.state.global_step, 0) << "nothing was stepped";
  run.step->run(run.state);
  run.step->run(run.state);
  EXPECT_EQ(*run.state.gradient_scale, (GradientScale{.scale = kScale / 8, .good_updates = 0, .skipped_updates = 3}));
  EXPECT_EQ(run.state.optimizer_updates, (std::map<std::string, std::int64_t>{{"a", 0}, {"b", 1}}));
  EXPECT_EQ(run.state.global_step, 1) << "the batch in which b was stepped";
  // The gradients of three batches, computed with three scales, are three times 1 (LateCommunicator doubles them, and their count).
  EXPECT_EQ(task.model().named_parameters()["b"].item<float>(), 0);
  run.step->run(run.state);
  EXPECT_EQ(run.state.optimizer_updates.at("a"), 1);
  EXPECT_EQ(task.model().named_parameters()["a"].item<float>(), 0);
}

}  // namespace
}  // namespace holdfast
