// What a user brings: a model with its loss. A task knows nothing of ranks, steps or checkpoints. All methods are called by
// the training thread of each rank; none is collective, unless a task steps optimizers itself (manual optimization).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace at {
struct Generator;
}
namespace torch::nn {
class Module;
}

namespace holdfast {

/// This rank's part of a global batch. Every field has `samples` rows; a rank may have none.
struct Batch {
  std::vector<at::Tensor> fields;  // what the data source gives: images float32 [n, 1, 28, 28] and labels int64 [n], say
  std::int64_t samples = 0;
};

/// A loss that weighs what it is: the sum over samples (or tokens), and how many they are.
struct Loss {
  at::Tensor sum;          // scalar, differentiable
  std::int64_t count = 0;  // the update is divided by the global count of all its batches
};

/// A number that validation measures beside the loss. What evaluate() gives for it is added up over batches and ranks as a sum and a count;
/// so its value is that of all samples at once, however they were divided.
struct Metric {
  enum class Value { mean, exp_of_mean, root_of_mean, sum };  // of what was added up: accuracy, perplexity, root mean square error, a total
  std::string name;                                           // "accuracy": val_accuracy to monitors and callbacks. Letters, digits and _
  Value value = Value::mean;
};

struct MetricSum {
  double sum = 0;
  std::int64_t count =
      0;  // of samples, tokens, positives: what the mean divides by. 0 of all together: the metric is not a number, but for a sum
};

/// What validation adds up.
struct Evaluation {
  double loss_sum = 0;
  std::int64_t count = 0;                         // samples (or tokens)
  std::map<std::string, MetricSum> metrics = {};  // by the names of Task::metrics(); one that is left out adds nothing
};

/// Steps optimizers by hand: for tasks whose `is_manual()` is true. Collective: every rank makes the same calls in the same
/// order, with samples or without.
class ManualOptimization {
 public:
  virtual ~ManualOptimization() = default;
  /// Adds the gradient of `loss` to the parameters of `optimizer` alone. Until step() they are
  /// sums over this rank's samples.
  virtual void backward(const std::string& optimizer, const Loss& loss) = 0;
  /// Votes, sums the gradients of `optimizer` over the ranks, divides by the global count, clips, updates, drops them.
  virtual void step(const std::string& optimizer) = 0;
};

class Task {
 public:
  virtual ~Task() = default;
  /// The module whose parameters are trained and stored under their names. The same object for the task's whole life.
  virtual torch::nn::Module& model() = 0;
  /// The training loss of a batch with at least one sample (the model is in training mode). Automatic optimization only.
  virtual Loss loss(const Batch& batch) = 0;
  /// Loss and metrics of a batch with at least one sample (evaluation mode, no gradient).
  virtual Evaluation evaluate(const Batch& batch) = 0;
  /// What evaluate() measures beside the loss: the same for the task's whole life, known without data.
  virtual std::vector<Metric> metrics() const { return {}; }
  /// Whether samples() has anything to show.
  virtual bool has_samples() const { return false; }
  /// `count` texts that show a person what the model makes now (evaluation mode, no gradient). Rank 0 alone is asked, between updates;
  /// random numbers come from `generator`, and from nowhere else.
  virtual std::vector<std::string> samples(std::int64_t /*count*/, at::Generator& /*generator*/) { return {}; }
  virtual bool is_manual() const { return false; }
  /// Manual optimization: everything that training on one batch means. Called on every rank, also without samples.
  virtual void train_batch(const Batch&, ManualOptimization&) {
    throw std::logic_error("a task with manual optimization must override train_batch");
  }
};

}  // namespace holdfast
