// What is computed with 16 bits, and what never is.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "trainer/precision/autocast.h"

namespace holdfast {
namespace {

struct Line final : torch::nn::Module {
  Line() { register_module("linear", linear); }
  torch::nn::Linear linear{8, 8};
};

class Recording final : public Task {
 public:
  torch::nn::Module& model() override { return *module; }
  Loss loss(const Batch& batch) override { return {output(batch).sum(), 1}; }
  Evaluation evaluate(const Batch& batch) override { return {.loss_sum = output(batch).sum().item<double>(), .count = 1}; }
  bool has_samples() const override { return true; }
  std::vector<std::string> samples(std::int64_t, at::Generator&) override {
    output({{torch::ones({2, 8})}, 2});
    return {"x"};
  }
  bool is_manual() const override { return true; }
  void train_batch(const Batch& batch, ManualOptimization& optimization) override {
    optimization.backward("main", loss(batch));
    before_step = output(batch);
    optimization.step("main");
    after_step = output(batch);
  }
  at::Tensor output(const Batch& batch) {
    const at::Tensor out = module->linear(batch.fields[0]);
    types.push_back(out.scalar_type());
    return out;
  }
  std::shared_ptr<Line> module = std::make_shared<Line>();
  std::vector<at::ScalarType> types;
  at::Tensor before_step, after_step;
};

/// Sets the weights to zero.
class Stepping final : public ManualOptimization {
 public:
  explicit Stepping(torch::nn::Module& model) : model_(model) {}
  void backward(const std::string&, const Loss& loss) override {
    loss_type = loss.sum.scalar_type();
    is_outside = !autocast_state(at::kCPU).is_enabled;
    loss.sum.backward();
  }
  void step(const std::string&) override {
    const torch::NoGradGuard no_grad;
    for (at::Tensor& parameter : model_.parameters()) parameter.zero_();
  }
  at::ScalarType loss_type{};
  bool is_outside = false;

 private:
  torch::nn::Module& model_;
};

Batch batch() { return {{torch::ones({2, 8})}, 2}; }

TEST(MixedPrecision, ComputesEachPassWithSixteenBitsAndKeepsParametersAndGradients) {
  for (const auto& [format, type] : {std::pair{NumberFormat::bf16, at::kBFloat16}, {NumberFormat::fp16, at::kHalf}}) {
    auto made = std::make_unique<Recording>();
    Recording& task = *made;
    const std::unique_ptr<Task> mixed = with_precision(std::move(made), format);
    const Loss loss = mixed->loss(batch());
    EXPECT_EQ(loss.sum.scalar_type(), at::kFloat);
    EXPECT_FALSE(autocast_state(at::kCPU).is_enabled);
    loss.sum.backward();
    for (const at::Tensor& parameter : mixed->model().parameters()) {
      EXPECT_EQ(parameter.scalar_type(), at::kFloat);
      EXPECT_EQ(parameter.grad().scalar_type(), at::kFloat);
    }
    mixed->evaluate(batch());
    at::Generator generator = at::detail::createCPUGenerator(1);
    mixed->samples(1, generator);
    EXPECT_EQ(task.types, (std::vector<at::ScalarType>(3, type)));
  }
}

TEST(MixedPrecision, OfFloat32IsTheTaskItself) {
  auto made = std::make_unique<Recording>();
  const Task* task = made.get();
  EXPECT_EQ(with_precision(std::move(made), NumberFormat::float32).get(), task);
}

TEST(MixedPrecision, ATaskThatStepsItselfGoesBackOutsideAndSeesItsNewWeightsAtOnce) {
  auto made = std::make_unique<Recording>();
  Recording& task = *made;
  const std::unique_ptr<Task> mixed = with_precision(std::move(made), NumberFormat::bf16);
  Stepping optimization(mixed->model());
  mixed->train_batch(batch(), optimization);
  EXPECT_TRUE(optimization.is_outside);
  EXPECT_EQ(optimization.loss_type, at::kFloat);
  EXPECT_GT(task.before_step.abs().sum().item<float>(), 0);
  EXPECT_EQ(task.after_step.abs().sum().item<float>(), 0) << "a 16-bit copy of the old weights was kept";
}

}  // namespace
}  // namespace holdfast
