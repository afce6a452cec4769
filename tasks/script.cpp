#include "tasks/script.h"

#include <fmt/format.h>
#include <torch/nn/functional/loss.h>

#include <sstream>

#include "base/error.h"
#include "tasks/script_module.h"
#include "trainer/accuracy.h"

namespace holdfast {
namespace {

namespace F = torch::nn::functional;

std::string shape_of(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.scalar_type() << " " << tensor.sizes();
  return text.str();
}

class Script final : public Task {
 public:
  explicit Script(const ScriptOptions& options) : options_(options), module_(std::make_shared<ScriptModule>(options.file)) {}

  torch::nn::Module& model() override { return *module_; }

  Loss loss(const Batch& batch) override {
    const at::Tensor target = target_of(batch);
    return {sum_of(output_of(batch), target, options_.label_smoothing), count_of(target)};
  }

  Evaluation evaluate(const Batch& batch) override {
    const at::Tensor output = output_of(batch), target = target_of(batch);
    Evaluation sums{.loss_sum = sum_of(output, target, 0).item<double>(), .count = count_of(target)};
    switch (options_.loss) {
      case ScriptLoss::cross_entropy: sums.metrics = measure_accuracy(output, target, options_.top_k); break;
      case ScriptLoss::binary_cross_entropy:
        sums.metrics["accuracy"] = {static_cast<double>(output.gt(0).eq(target.gt(0.5)).sum().item<std::int64_t>()), target.numel()};
        break;
      case ScriptLoss::mse: sums.metrics["rmse"] = {sums.loss_sum, sums.count}; break;
      case ScriptLoss::l1: break;  // the loss says it
    }
    return sums;
  }

  std::vector<Metric> metrics() const override {
    switch (options_.loss) {
      case ScriptLoss::cross_entropy: return accuracy_metrics(options_.top_k);
      case ScriptLoss::binary_cross_entropy: return accuracy_metrics();
      case ScriptLoss::mse: return {{.name = "rmse", .value = Metric::Value::root_of_mean}};
      case ScriptLoss::l1: return {};
    }
    throw std::logic_error("a loss without metrics");
  }

 private:
  static at::Tensor target_of(const Batch& batch) {
    if (batch.fields.size() < 2)
      throw DataError(ErrorText{.attempted = "train a TorchScript model",
                                .expected = "batches of at least two fields, the last of them the target",
                                .found = fmt::format("{}", batch.fields.size()),
                                .next = "take another `data`"});
    return batch.fields.back();
  }

  /// Elements that the loss is a sum over: cross_entropy leaves negative labels out (PyTorch's ignore_index is -100).
  std::int64_t count_of(const at::Tensor& target) const {
    return options_.loss == ScriptLoss::cross_entropy ? target.ge(0).sum().item<std::int64_t>() : target.numel();
  }

  at::Tensor output_of(const Batch& batch) {
    target_of(batch);
    const at::Tensor output = module_->forward({batch.fields.begin(), batch.fields.end() - 1});
    return at::isReducedFloatingType(output.scalar_type()) ? output.to(at::kFloat) : output;  // a loss needs its digits
  }

  /// Summed over all elements of the target. What is compared element by element must not be broadcast.
  at::Tensor sum_of(const at::Tensor& output, const at::Tensor& target, double label_smoothing) const {
    if (options_.loss != ScriptLoss::cross_entropy && output.sizes() != target.sizes())
      throw DataError(ErrorText{.attempted = "compare the output of the TorchScript model with its target",
                                .expected = "the same shape",
                                .found = fmt::format("{} and {}", shape_of(output), shape_of(target))});
    switch (options_.loss) {
      case ScriptLoss::cross_entropy:
        return F::cross_entropy(output, target, F::CrossEntropyFuncOptions().reduction(torch::kSum).label_smoothing(label_smoothing));
      case ScriptLoss::binary_cross_entropy:
        return at::binary_cross_entropy_with_logits(output, target.to(output.scalar_type()), {}, {}, at::Reduction::Sum);
      case ScriptLoss::mse: return at::mse_loss(output, target, at::Reduction::Sum);
      case ScriptLoss::l1: return at::l1_loss(output, target, at::Reduction::Sum);
    }
    throw std::logic_error("a loss without a formula");
  }

  ScriptOptions options_;
  std::shared_ptr<ScriptModule> module_;
};

}  // namespace

void ScriptOptions::describe(FieldVisitor& v) {
  static constexpr std::pair<std::string_view, ScriptLoss> kLosses[] = {{"cross_entropy", ScriptLoss::cross_entropy},
                                                                        {"binary_cross_entropy", ScriptLoss::binary_cross_entropy},
                                                                        {"mse", ScriptLoss::mse},
                                                                        {"l1", ScriptLoss::l1}};
  v.field(
      {.name = "file",
       .doc =
           "What `torch.jit.script(model).save(...)` has written, relative to the directory of the configuration file. Its weights are the "
           "initial ones.",
       .synonyms = "path model torchscript"},
      file);
  v.choice({.name = "loss",
            .doc = "`cross_entropy` (outputs `[n, classes, …]`, targets int64 `[n, …]`); `binary_cross_entropy` (outputs before the "
                   "sigmoid), `mse`, "
                   "`l1`: outputs and targets of one shape."},
           loss, kLosses);
  v.field({.name = "label_smoothing",
           .doc = "`cross_entropy` only: this share of each label is spread over all classes, in training only.",
           .min = 0,
           .max = 1},
          label_smoothing);
  v.field({.name = "top_k",
           .doc = "`cross_entropy` only: measures how often the right class is among the so many with the highest scores: [5] gives "
                  "val_top5_accuracy.",
           .unit = "classes",
           .min = 2},
          top_k);
}

std::unique_ptr<Task> make_script(const ScriptOptions& options) { return std::make_unique<Script>(options); }

}  // namespace holdfast
