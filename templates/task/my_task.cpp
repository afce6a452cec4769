// A task of one's own as a plugin: a small image classifier.
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "options/read.h"
#include "trainer/accuracy.h"
#include "trainer/registry.h"

namespace {

using namespace holdfast;

struct MyOptions {  // `task: {options: ...}`, checked as strictly as every other key
  std::int64_t hidden = 128;
  double dropout = 0.1;
  void describe(FieldVisitor& visitor) {
    visitor.field({.name = "hidden", .doc = "Size of the hidden layer.", .unit = "units", .min = 1}, hidden);
    visitor.field({.name = "dropout", .doc = "Probability.", .min = 0, .max = 1, .max_is_excluded = true}, dropout);
  }
};

class MyTask final : public Task {
 public:
  explicit MyTask(const MyOptions& options)
      : net_(torch::nn::Flatten(), torch::nn::Linear(784, options.hidden), torch::nn::ReLU(), torch::nn::Dropout(options.dropout),
             torch::nn::Linear(options.hidden, 10)) {}

  torch::nn::Module& model() override { return *net_; }

  Loss loss(const Batch& batch) override {
    const at::Tensor labels = batch.fields[1];
    const auto sum = torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum);
    return {torch::nn::functional::cross_entropy(net_->forward(batch.fields[0]), labels, sum), labels.numel()};
  }

  Evaluation evaluate(const Batch& batch) override {
    const at::Tensor labels = batch.fields[1], scores = net_->forward(batch.fields[0]);
    return {.loss_sum = at::cross_entropy_loss(scores, labels, {}, at::Reduction::Sum).item<double>(),
            .count = labels.numel(),
            .metrics = measure_accuracy(scores, labels)};
  }
  std::vector<Metric> metrics() const override { return accuracy_metrics(); }

 private:
  torch::nn::Sequential net_;
};

}  // namespace

extern "C" void holdfast_register(Registry& registry) {
  registry.add_task("my_task", [](const OptionTree& tree, const ComponentContext&) {
    MyOptions options;
    read_options(tree, options);
    return std::make_unique<MyTask>(options);
  });
}
