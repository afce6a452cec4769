// An exponential moving average of a model's weights: part of the training state, stored and restored with it, changed by updates
// alone. A function of the configuration and the updates, so that an interrupted run has the bits of one that was not.
// Training thread only; not collective: every rank has its own, of the same bits.
#pragma once

#include <ATen/core/Tensor.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/engine/snapshot.h"
#include "options/run_options.h"

namespace torch::nn {
class Module;
}

namespace holdfast {

class WeightAverage {
 public:
  /// Takes as much memory as the averaged tensors: all parameters of floating-point numbers, with `buffers` such buffers too.
  WeightAverage(std::string name, const TransformOptions& options, torch::nn::Module& model);

  /// Begins anew: the average is the weights.
  void reset();
  /// Likewise, of what is not among `stored`, names of tensors of a checkpoint. Returns which: LibTorch's names.
  std::vector<std::string> reset_missing(const std::set<std::string>& stored);
  /// Whether that is all of it.
  bool is_all(const std::vector<std::string>& names) const { return names.size() == items_.size(); }
  /// After the update that made `global_step` of it: up to start_step the average is the weights, later each `every_steps`-th update
  /// comes in by 1 - decay.
  void update(std::int64_t global_step);

  const std::string& name() const { return name_; }
  /// As training state.
  std::vector<StateEntry> state() const;
  /// As weights, under the model's own names; what is not averaged is the model's.
  std::vector<StateEntry> weights() const;

  /// While it lives, the model has the averages for its weights. The tensors that it had keep their memory: a save in flight goes on
  /// copying them.
  class InModel {
   public:
    explicit InModel(const WeightAverage& average);
    ~InModel();
    InModel(const InModel&) = delete;
    InModel& operator=(const InModel&) = delete;

   private:
    std::vector<std::pair<at::Tensor, at::Tensor>> own_;  // the model's tensor, what it held
  };

 private:
  struct Item {
    std::string name;  // LibTorch's
    at::Tensor average;
    bool is_buffer = false;
  };
  /// As training state: "averages/NAME/model/TENSOR".
  std::string state_name(const Item& item) const;
  /// The model's tensor of each item now: a module may give itself other buffers.
  std::vector<at::Tensor> live() const;

  std::string name_;
  TransformOptions options_;
  torch::nn::Module& model_;
  std::vector<Item> items_;
};

}  // namespace holdfast
