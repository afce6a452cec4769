// What a user brings: a model with its loss. A task knows nothing of ranks, steps or checkpoints. All methods are called by
// the training thread of each rank; none is collective, unless a task steps optimizers itself (manual optimization).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

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

/// What validation adds up.
struct Evaluation {
  double loss_sum = 0;
  std::int64_t count = 0;
  std::int64_t correct = 0;  // predictions that are right, out of `count`
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
  /// Loss and hits of a batch with at least one sample (evaluation mode, no gradient).
  virtual Evaluation evaluate(const Batch& batch) = 0;
  virtual bool is_manual() const { return false; }
  /// Manual optimization: everything that training on one batch means. Called on every rank, also without samples.
  virtual void train_batch(const Batch&, ManualOptimization&) {
    throw std::logic_error("a task with manual optimization must override train_batch");
  }
};

}  // namespace holdfast
