#include "tasks/script.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <sstream>

#include "base/error.h"
#include "tasks/script_module.h"

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
    return {sum_of(output_of(batch), target, options_.label_smoothing), target.numel()};
  }

  Evaluation evaluate(const Batch& batch) override {
    const at::Tensor output = output_of(batch), target = target_of(batch);
    return {.loss_sum = sum_of(output, target, 0).item<double>(), .count = target.numel(), .correct = correct(output, target)};
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

  at::Tensor output_of(const Batch& batch) {
    target_of(batch);
    return module_->forward({batch.fields.begin(), batch.fields.end() - 1});
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

  std::int64_t correct(const at::Tensor& output, const at::Tensor& target) const {
    if (options_.loss == ScriptLoss::cross_entropy) return output.argmax(1).eq(target).sum().item<std::int64_t>();
    if (options_.loss == ScriptLoss::binary_cross_entropy) return output.gt(0).eq(target.gt(0.5)).sum().item<std::int64_t>();
    return 0;  // a number is not right or wrong
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
}

std::unique_ptr<Task> make_script(const ScriptOptions& options) { return std::make_unique<Script>(options); }

}  // namespace holdfast
