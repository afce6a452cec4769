// SGD and AdamW by LibTorch's fused kernels, with state of their own, keyed by parameter name. The optimizer counts its
// updates itself, wherever it is stepped from. Training thread only; not collective.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/engine/snapshot.h"
#include "options/run_options.h"
#include "trainer/optimization/gradient_buckets.h"

namespace holdfast {

class Optimizer {
 public:
  /// Takes the gradients from `gradients`, whose parameters it owns. State starts at zero.
  Optimizer(std::string name, const OptimizerOptions& options, std::size_t bucket_bytes, std::vector<NamedParameter> parameters);

  /// Updates every parameter that was used (GradientBuckets::is_used), with gradients divided by `divisor`.
  void step(double lr, double divisor);

  /// Completed updates.
  std::int64_t updates() const { return updates_; }
  void set_updates(std::int64_t updates) { updates_ = updates; }
  /// The state tensors as "optimizers/NAME/PARAMETER/WHAT".
  std::vector<StateEntry> state() const;

  const std::string& name() const { return name_; }
  const OptimizerOptions& options() const { return options_; }
  GradientBuckets& gradients() { return gradients_; }
  const GradientBuckets& gradients() const { return gradients_; }

 private:
  struct Slot {         // by parameter
    at::Tensor first;   // momentum, or Adam's first moment; as the parameter
    at::Tensor second;  // Adam's second moment
    at::Tensor step;    // Adam's step count, float32 scalar
    bool is_decayed = true;
  };
  void step_group(const std::vector<std::size_t>& members, double lr, double weight_decay, const std::optional<at::Tensor>& divisor);

  std::string name_;
  OptimizerOptions options_;
  GradientBuckets gradients_;
  std::vector<Slot> slots_;
  std::int64_t updates_ = 0;
};

}  // namespace holdfast
