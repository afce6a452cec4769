// A generator and a discriminator of 28 x 28 images, each with an optimizer of its own, stepped by hand: the discriminator with every
// batch, the generator with every other.
#include <torch/torch.h>

#include "options/read.h"
#include "trainer/registry.h"

namespace {

using namespace holdfast;
namespace nn = torch::nn;

struct GanOptions {
  std::int64_t noise = 32;
  std::int64_t hidden = 128;
  void describe(FieldVisitor& visitor) {
    visitor.field({.name = "noise", .doc = "Numbers that an image is made of.", .min = 1}, noise);
    visitor.field({.name = "hidden", .doc = "Size of the hidden layers.", .unit = "units", .min = 1}, hidden);
  }
};

struct Players final : nn::Module {
  explicit Players(const GanOptions& options)
      : generator(nn::Linear(options.noise, options.hidden), nn::ReLU(), nn::Linear(options.hidden, 784), nn::Tanh()),
        discriminator(nn::Linear(784, options.hidden), nn::LeakyReLU(), nn::Linear(options.hidden, 1)) {
    register_module("generator", generator);
    register_module("discriminator", discriminator);
    batches = register_buffer("batches", torch::zeros({}, torch::kLong));  // what is counted is state, so it is a buffer
  }
  nn::Sequential generator, discriminator;
  at::Tensor batches;
};

class Gan final : public Task {
 public:
  explicit Gan(const GanOptions& options) : noise_(options.noise), players_(std::make_shared<Players>(options)) {}

  nn::Module& model() override { return *players_; }
  bool is_manual() const override { return true; }
  Loss loss(const Batch&) override { throw std::logic_error("optimized by hand"); }

  void train_batch(const Batch& batch, ManualOptimization& optimization) override {
    const at::Tensor real = batch.fields[0].flatten(1), fake = players_->generator->forward(at::randn({batch.samples, noise_}));
    optimization.backward("discriminator", {(taken_for_fake(real) + taken_for_real(fake.detach())).sum(), batch.samples});
    optimization.step("discriminator");
    optimization.backward("generator", {taken_for_fake(fake).sum(), batch.samples});
    players_->batches.add_(1);
    if (players_->batches.item<std::int64_t>() % 2 == 0) optimization.step("generator");  // over the gradients of both batches
  }

  /// How well the discriminator knows real images: a validation draws no random numbers.
  Evaluation evaluate(const Batch& batch) override {
    const at::Tensor scores = players_->discriminator->forward(batch.fields[0].flatten(1));
    return {.loss_sum = torch::softplus(-scores).sum().item<double>(),
            .count = batch.samples,
            .metrics = {{"recognized", {static_cast<double>(scores.gt(0).sum().item<std::int64_t>()), batch.samples}}}};
  }
  std::vector<Metric> metrics() const override { return {{.name = "recognized"}}; }

 private:
  at::Tensor taken_for_fake(const at::Tensor& images) { return torch::softplus(-players_->discriminator->forward(images)); }
  at::Tensor taken_for_real(const at::Tensor& images) { return torch::softplus(players_->discriminator->forward(images)); }

  std::int64_t noise_;
  std::shared_ptr<Players> players_;
};

}  // namespace

void holdfast_register(Registry& registry) {
  registry.add_task("gan", [](const OptionTree& tree, const ComponentContext&) {
    GanOptions options;
    read_options(tree, options);
    return std::make_unique<Gan>(options);
  });
}
