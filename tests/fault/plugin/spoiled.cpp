// A plugin for runs with bad numbers, and for runs that are long enough to be stopped in the middle of something: data whose samples at
// given positions are no numbers, or far too large; a task with BatchNorm and dropout, whose batches and evaluations last as long as is
// asked for; and a transform that takes its time.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <mutex>
#include <thread>

#include "options/read.h"
#include "trainer/accuracy.h"
#include "trainer/registry.h"

namespace {

using holdfast::Batch;

/// Takes its time, and tells a test by a file that it is in the middle of something.
struct Pace {
  std::int64_t milliseconds = 0;
  std::string marker;  // empty: none
  std::int64_t marked_call = 4;
  void describe(holdfast::FieldVisitor& visitor) {
    visitor.field({.name = "milliseconds"}, milliseconds);
    visitor.field({.name = "marker"}, marker);
    visitor.field({.name = "marked_call"}, marked_call);
  }
  void take() const {
    if (++calls == marked_call && !marker.empty()) std::ofstream(marker).flush();
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  }
  mutable std::int64_t calls = 0;
};

struct SpoiledOptions {
  std::int64_t samples = 120, validation_samples = 40;
  std::vector<std::int64_t> nan_at, large_at;  // positions in the run; without shuffling
  void describe(holdfast::FieldVisitor& visitor) {
    visitor.field({.name = "samples"}, samples);
    visitor.field({.name = "validation_samples"}, validation_samples);
    visitor.field({.name = "nan_at"}, nan_at);
    visitor.field({.name = "large_at"}, large_at);
  }
};

/// Eight numbers and a label, made of the seed of the data alone.
class SpoiledSource final : public holdfast::DataSource {
 public:
  SpoiledSource(const SpoiledOptions& options, std::int64_t samples, std::uint64_t seed) : options_(options) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    numbers_ = at::randn({samples, 8}, generator, at::kFloat);
    labels_ = numbers_.narrow(1, 0, 4).argmax(1);
  }
  std::int64_t size() const override { return labels_.size(0); }
  Batch load(std::span<const std::int64_t> indices, std::int64_t epoch, std::uint64_t) const override {
    const at::Tensor rows = at::tensor(at::IntArrayRef(indices.data(), indices.size()), at::kLong);
    const at::Tensor numbers = numbers_.index_select(0, rows);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const std::int64_t position = epoch * size() + indices[i];
      const auto is_in = [position](const std::vector<std::int64_t>& list) {
        return std::find(list.begin(), list.end(), position) != list.end();
      };
      if (is_in(options_.nan_at)) numbers[static_cast<std::int64_t>(i)].fill_(std::numeric_limits<float>::quiet_NaN());
      if (is_in(options_.large_at)) numbers[static_cast<std::int64_t>(i)].mul_(1e4);
    }
    return {{numbers, labels_.index_select(0, rows)}, static_cast<std::int64_t>(indices.size())};
  }

 private:
  SpoiledOptions options_;
  at::Tensor numbers_, labels_;
};

struct NoisyOptions {
  Pace batch, evaluation;
  bool has_norm = true;
  void describe(holdfast::FieldVisitor& visitor) {
    visitor.section({.name = "batch"}, batch);
    visitor.section({.name = "evaluation"}, evaluation);
    visitor.field({.name = "has_norm"}, has_norm);
  }
};

/// What a batch leaves behind, without any update: running statistics, and a generator that has moved on.
struct Noisy final : holdfast::Task {
  explicit Noisy(const NoisyOptions& its) : options(its) {
    module->push_back(torch::nn::Linear(8, 16));
    if (options.has_norm) module->push_back(torch::nn::BatchNorm1d(16));
    module->push_back(torch::nn::ReLU());
    module->push_back(torch::nn::Dropout(0.3));
    module->push_back(torch::nn::Linear(16, 10));
  }
  torch::nn::Module& model() override { return *module; }
  holdfast::Loss loss(const Batch& batch) override {
    options.batch.take();
    return {torch::cross_entropy_loss(module->forward(batch.fields[0]), batch.fields[1], {}, at::Reduction::Sum), batch.samples};
  }
  holdfast::Evaluation evaluate(const Batch& batch) override {
    options.evaluation.take();
    const at::Tensor logits = module->forward(batch.fields[0]);
    const at::Tensor loss = torch::cross_entropy_loss(logits, batch.fields[1], {}, at::Reduction::Sum);
    return {loss.item<double>(), batch.samples, holdfast::measure_accuracy(logits, batch.fields[1])};
  }
  std::vector<holdfast::Metric> metrics() const override { return holdfast::accuracy_metrics(); }
  NoisyOptions options;
  torch::nn::Sequential module;
};

/// Steps one optimizer with every batch.
struct ByHand final : holdfast::Task {
  torch::nn::Module& model() override { return *noisy.module; }
  holdfast::Loss loss(const Batch&) override { throw std::logic_error("optimized by hand"); }
  holdfast::Evaluation evaluate(const Batch& batch) override { return noisy.evaluate(batch); }
  std::vector<holdfast::Metric> metrics() const override { return noisy.metrics(); }
  bool is_manual() const override { return true; }
  void train_batch(const Batch& batch, holdfast::ManualOptimization& optimization) override {
    optimization.backward("main", noisy.loss(batch));
    optimization.step("main");
  }
  Noisy noisy{NoisyOptions{}};
};

/// A save that lasts.
struct Slow final : holdfast::Transform {
  explicit Slow(const Pace& its) : pace(its) {}
  at::Tensor apply(const holdfast::WeightSlice& slice) const override {
    const std::lock_guard lock(mutex);  // it is called by several threads
    pace.take();
    return slice.values;
  }
  Pace pace;
  mutable std::mutex mutex;
};

template <class Options>
Options read(const holdfast::OptionTree& tree) {
  Options options;
  holdfast::read_options(tree, options);
  return options;
}

}  // namespace

extern "C" void holdfast_register(holdfast::Registry& registry) {
  registry.add_data("spoiled", [](const holdfast::OptionTree& tree, const holdfast::ComponentContext& context) {
    const auto options = read<SpoiledOptions>(tree);
    if (context.is_check_only) return holdfast::DataSources{};
    return holdfast::DataSources{std::make_shared<SpoiledSource>(options, options.samples, 1),
                                 std::make_shared<SpoiledSource>(SpoiledOptions{}, options.validation_samples, 2)};
  });
  registry.add_task("noisy", [](const holdfast::OptionTree& tree, const holdfast::ComponentContext&) {
    return std::make_unique<Noisy>(read<NoisyOptions>(tree));
  });
  registry.add_transform("slow", [](const holdfast::TransformOptions& transform, const holdfast::ComponentContext&) {
    return std::make_unique<Slow>(read<Pace>(transform.options));
  });
  registry.add_task("by_hand", [](const holdfast::OptionTree&, const holdfast::ComponentContext&) { return std::make_unique<ByHand>(); });
}
