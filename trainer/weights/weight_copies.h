// The copies of the weights that a configuration names under `transforms`: averages, which are state of the training, and functions of
// the weights, which are computed while a state is saved. Training thread only; not collective.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/engine/snapshot.h"
#include "options/run_options.h"
#include "trainer/registry.h"
#include "trainer/transform.h"
#include "trainer/weights/weight_average.h"

namespace holdfast {

class WeightCopies {
 public:
  /// None.
  WeightCopies() = default;
  /// Throws ConfigError: a type that nobody registers.
  WeightCopies(const Configuration& configuration, const Registry& registry, const ComponentContext& context, torch::nn::Module& model);

  /// After each update.
  void update(std::int64_t global_step);
  /// All averages begin anew, as the weights; or what of them `stored`, the tensors of a checkpoint, does not have: returns "ema", or
  /// "ema (of running_mean, running_var)" where the rest of it is there.
  void reset();
  std::vector<std::string> reset_missing(const std::vector<TensorInfo>& stored);
  /// The averages, as training state.
  std::vector<StateEntry> state() const;
  /// Every copy, as a save makes it.
  std::vector<TransformedWeights> transforms() const;
  /// While it lives, the model has the averages of that name for its weights; the empty name: its own.
  std::unique_ptr<WeightAverage::InModel> put_into_model(const std::string& name) const;

 private:
  struct Function {
    std::shared_ptr<const Transform> transform;
    const WeightAverage* of = nullptr;  // null: of the model
  };
  torch::nn::Module* model_ = nullptr;
  std::map<std::string, std::unique_ptr<WeightAverage>> averages_;
  std::map<std::string, Function> functions_;
};

/// `source` as `transform` makes it: floating-point tensors by it, others as they are. `source` is read piece by piece, and never changed.
StateEntry transformed(const StateEntry& source, std::shared_ptr<const Transform> transform);

}  // namespace holdfast
