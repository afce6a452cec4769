// A model in stages gives the same losses, gradients, buffers and random numbers, to the bit, whether its stages are computed again or not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "trainer/precision/autocast.h"
#include "trainer/recomputation/recomputation.h"
#include "trainer/staged_task.h"

namespace holdfast {
namespace {

constexpr std::int64_t kWidth = 16;

struct Chain final : torch::nn::Module {
  Chain() {
    register_module("first", first);
    register_module("norm", norm);
    register_module("second", second);
    register_module("dropout", dropout);
  }
  torch::nn::Linear first{kWidth, kWidth}, second{kWidth, kWidth};
  torch::nn::BatchNorm1d norm{kWidth};
  torch::nn::Dropout dropout{0.5};
};

/// Stage 0 takes integers; dropout in 1, running statistics in 2; the weight of 1 is used again in 3.
class InStages : public StagedTask {
 public:
  torch::nn::Module& model() override { return *module; }
  std::size_t stage_count() const override { return 4; }
  Tensors run_stage(std::size_t stage, const Tensors& in) override {
    ++runs;
    Tensors out;
    if (stage == 0) out = {torch::one_hot(in[0], kWidth).to(at::kFloat).matmul(module->second->weight), in[0]};
    if (stage == 1) out = {module->dropout(torch::relu(module->first(in[0]))) + in[0], in[1]};
    if (stage == 2) out = {module->norm(module->second(in[0])).tanh(), in[1]};
    if (stage == 3) out = {in[0].matmul(module->first->weight), in[1]};
    if (stage != 1) return out;
    const auto held = std::make_shared<int>();
    out[0].grad_fn()->add_post_hook(std::make_unique<Holder>(held));
    graphs.push_back(held);
    return out;
  }
  Loss loss_of(const Tensors& outputs, const Batch& batch) override {
    return {torch::nn::functional::cross_entropy(outputs[0].to(at::kFloat), outputs[1],
                                                 torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum)),
            batch.samples};
  }
  Evaluation evaluation_of(const Tensors&, const Batch&) override { return {}; }
  /// Lives as long as the graph that it hangs in.
  struct Holder final : torch::autograd::FunctionPostHook {
    explicit Holder(std::shared_ptr<int> held_) : held(std::move(held_)) {}
    torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                              const torch::autograd::variable_list&) override {
      return outputs;
    }
    std::shared_ptr<int> held;
  };

  std::shared_ptr<Chain> module = std::make_shared<Chain>();
  int runs = 0;
  std::vector<std::weak_ptr<int>> graphs;
};

struct Result {
  std::vector<at::Tensor> tensors;  // losses, gradients, buffers, what is drawn next
  std::vector<bool> are_held;       // after each loss: is the graph of stage 1 there?
  int runs = 0;
};

Result train(bool is_recomputed, NumberFormat compute) {
  torch::manual_seed(3);
  auto made = std::make_unique<InStages>();
  InStages& task = *made;
  std::unique_ptr<Task> trained = std::move(made);
  if (is_recomputed) trained = with_recomputation(std::move(trained));
  trained = with_precision(std::move(trained), compute);
  Result result;
  for (int batch = 0; batch < 3; ++batch) {  // accumulated
    const Loss loss = trained->loss({{torch::randint(0, kWidth, {32})}, 32});
    result.are_held.push_back(!task.graphs.back().expired());
    loss.sum.backward();
    result.tensors.push_back(loss.sum.detach());
  }
  for (const at::Tensor& parameter : trained->model().parameters()) result.tensors.push_back(parameter.grad());
  for (const at::Tensor& buffer : trained->model().buffers()) result.tensors.push_back(buffer.clone());
  result.tensors.push_back(torch::rand({8}));
  result.runs = task.runs;
  return result;
}

class Recomputed : public testing::TestWithParam<NumberFormat> {};

TEST_P(Recomputed, StagesGiveTheSameBitsAndKeepNothingInBetween) {
  const Result plain = train(false, GetParam()), again = train(true, GetParam());
  ASSERT_EQ(plain.tensors.size(), again.tensors.size());
  for (std::size_t i = 0; i < plain.tensors.size(); ++i) EXPECT_TRUE(torch::equal(plain.tensors[i], again.tensors[i])) << i;
  EXPECT_EQ(plain.runs, 3 * 4);
  EXPECT_EQ(again.runs, 3 * (4 + 3)) << "each stage but the last once more";
  EXPECT_THAT(plain.are_held, testing::Each(true));
  EXPECT_THAT(again.are_held, testing::Each(false));
}

INSTANTIATE_TEST_SUITE_P(Of, Recomputed, testing::Values(NumberFormat::float32, NumberFormat::bf16));

class InPlace final : public InStages {
 public:
  Tensors run_stage(std::size_t stage, const Tensors& in) override {
    if (stage == 1) in[1].add_(0);
    return InStages::run_stage(stage, in);
  }
};

TEST(Recomputation, RefusesAStageThatChangesItsInput) {
  const std::unique_ptr<Task> task = with_recomputation(std::make_unique<InPlace>());
  EXPECT_THAT(
      [&] {
        task->loss({{torch::randint(0, kWidth, {4})}, 4});
      },
      testing::ThrowsMessage<std::logic_error>(testing::HasSubstr("stage 1 changes its input in place")));
}

/// Stage 1 has had the mask, and would be run again with another one.
class ChangedLater final : public InStages {
 public:
  Loss loss_of(const Tensors& outputs, const Batch& batch) override {
    outputs[1].fmod_(kWidth - 1);
    return InStages::loss_of(outputs, batch);
  }
};

TEST(Recomputation, RefusesAnInputThatWasChangedSinceTheStageHadIt) {
  const std::unique_ptr<Task> task = with_recomputation(std::make_unique<ChangedLater>());
  const Loss loss = task->loss({{torch::randint(0, kWidth, {4})}, 4});
  EXPECT_THAT([&] { loss.sum.backward(); }, testing::ThrowsMessage<std::logic_error>(testing::HasSubstr("was changed in place after")));
}

class InOnePiece final : public Task {
 public:
  torch::nn::Module& model() override { return *module_; }
  Loss loss(const Batch&) override { return {}; }
  Evaluation evaluate(const Batch&) override { return {}; }

 private:
  std::shared_ptr<Chain> module_ = std::make_shared<Chain>();
};

TEST(Recomputation, RefusesATaskInOnePiece) { EXPECT_THROW(with_recomputation(std::make_unique<InOnePiece>()), std::invalid_argument); }

}  // namespace
}  // namespace holdfast
