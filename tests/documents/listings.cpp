// The C++ listings of docs/, as they stand there, in a plugin that a test trains with: documents_test.py compares them.
// clang-format off
#include <fmt/format.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "options/read.h"
#include "trainer/registry.h"
#include "trainer/staged_task.h"

namespace {

using namespace holdfast;

class RegressionOfLabels final : public Task {
 public:
  torch::nn::Module& model() override { return *net_; }
  Loss loss(const Batch& batch) override {
    return {(net_->forward(batch.fields[0]).squeeze(1) - batch.fields[1]).pow(2).sum(), batch.samples};
  }
  std::vector<Metric> metrics() const override {
    return {{.name = "recall"}, {.name = "rmse", .value = Metric::Value::root_of_mean}};
  }
  Evaluation evaluate(const Batch& batch) override {
    const at::Tensor score = net_->forward(batch.fields[0]).squeeze(1), label = batch.fields[1].to(at::kFloat);
    const at::Tensor positive = label.gt(0.5), found = positive.logical_and(score.gt(0.5));
    const double squares = (score - label).pow(2).sum().item<double>();
    return {.loss_sum = squares,
            .count = batch.samples,
            .metrics = {{"recall", {found.sum().item<double>(), positive.sum().item<std::int64_t>()}}, {"rmse", {squares, batch.samples}}}};
  }

 private:
  torch::nn::Linear net_{8, 1};
};

class MyStagedTask final : public StagedTask {
 public:
  torch::nn::Module& model() override { return *layers_; }
  std::size_t stage_count() const override { return 3; }
  Tensors run_stage(std::size_t stage, const Tensors& inputs) override { return {(layers_->begin() + stage)->forward(inputs[0])}; }
  Loss loss_of(const Tensors& outputs, const Batch& batch) override {
    return {at::cross_entropy_loss(outputs[0], batch.fields[1], {}, at::Reduction::Sum), batch.samples};
  }
  Evaluation evaluation_of(const Tensors& outputs, const Batch& batch) override {
    return {.loss_sum = loss_of(outputs, batch).sum.item<double>(), .count = batch.samples};
  }

 private:
  torch::nn::Sequential layers_{torch::nn::Linear(8, 16), torch::nn::ReLU(), torch::nn::Linear(16, 10)};
};

struct Players final : torch::nn::Module {
  Players() {
    register_module("generator", generator);
    register_module("discriminator", discriminator);
    batches = register_buffer("batches", torch::zeros({}, torch::kLong));
  }
  torch::nn::Linear generator{8, 8}, discriminator{8, 1};
  at::Tensor batches;
};

class TwoPlayers final : public Task {
 public:
  torch::nn::Module& model() override { return *players_; }
  Loss loss(const Batch&) override { throw std::logic_error("optimized by hand"); }
  Evaluation evaluate(const Batch& batch) override {
    return {.loss_sum = discriminator_loss(batch).sum().item<double>(), .count = batch.samples};
  }
  bool is_manual() const override { return true; }
  void train_batch(const Batch& batch, ManualOptimization& optimization) override {
    optimization.backward("discriminator", {discriminator_loss(batch).sum(), batch.samples});
    optimization.step("discriminator");
    optimization.backward("generator", {generator_loss(batch).sum(), batch.samples});
    if (is_turn_of_generator()) optimization.step("generator");
  }

 private:
  at::Tensor generator_loss(const Batch& batch) {
    return torch::softplus(-players_->discriminator->forward(players_->generator->forward(batch.fields[0])));
  }
  at::Tensor discriminator_loss(const Batch& batch) {
    return torch::softplus(players_->discriminator->forward(players_->generator->forward(batch.fields[0]).detach())) +
           torch::softplus(-players_->discriminator->forward(batch.fields[0]));
  }
  bool is_turn_of_generator() { return players_->batches.add_(1).item<std::int64_t>() % 2 == 0; }

  std::shared_ptr<Players> players_ = std::make_shared<Players>();
};

struct MyDataOptions {
  std::int64_t samples = 64;
  void describe(FieldVisitor& visitor) { visitor.field({.name = "samples", .min = 1}, samples); }
};

class MyData final : public DataSource {
 public:
  explicit MyData(const MyDataOptions& options) : samples_(options.samples) {}
  std::int64_t size() const override;
  Batch load(std::span<const std::int64_t> indices, std::int64_t epoch, std::uint64_t seed) const override;

 private:
  std::int64_t samples_;
};

std::int64_t MyData::size() const { return samples_; }

Batch MyData::load(std::span<const std::int64_t> indices, std::int64_t, std::uint64_t) const {
  const at::Tensor numbers = at::tensor(std::vector<std::int64_t>(indices.begin(), indices.end()), at::kLong);
  return {{numbers.unsqueeze(1).to(at::kFloat).div(static_cast<double>(samples_)).expand({-1, 8}).contiguous(), numbers.remainder(2)},
          static_cast<std::int64_t>(indices.size())};
}

class Throughput final : public holdfast::Callback {
 public:
  void on_fit_start(const holdfast::RunView& run, holdfast::Communicator&) override { start_ = run.clock.seconds(); }
  void on_step_end(const holdfast::RunView&, const holdfast::StepFacts& step, holdfast::Communicator&) override { samples_ += step.count; }
  void on_fit_end(const holdfast::RunView& run, holdfast::Communicator& ranks) override {
    if (ranks.rank() == 0) fmt::print("{:.0f} samples/s\n", samples_ / (run.clock.seconds() - start_));
  }

 private:
  double start_ = 0, samples_ = 0;
};

struct Clamp final : holdfast::Transform {
  at::Tensor apply(const holdfast::WeightSlice& slice) const override { return slice.values.clamp(-1, 1); }
};

}  // namespace

extern "C" void holdfast_register(holdfast::Registry& registry) {
  registry.add_transform("clamp", [](const holdfast::TransformOptions&, const holdfast::ComponentContext&) { return std::make_unique<Clamp>(); });
  registry.add_callback("throughput", [](const CallbackOptions&, const ComponentContext&) { return std::make_unique<Throughput>(); });
  registry.add_data("my_data", [](const OptionTree& tree, const ComponentContext& context) -> DataSources {
    MyDataOptions options;
    read_options(tree, options);
    if (context.is_check_only) return {};   // `config check` touches no data
    return {.training = std::make_shared<MyData>(options), .validation = nullptr};
  });
  registry.add_task("regression_of_labels",
                    [](const OptionTree&, const ComponentContext&) { return std::make_unique<RegressionOfLabels>(); });
  registry.add_task("staged", [](const OptionTree&, const ComponentContext&) { return std::make_unique<MyStagedTask>(); });
  registry.add_task("two_players", [](const OptionTree&, const ComponentContext&) { return std::make_unique<TwoPlayers>(); });
}
