#include "trainer/state/training_state.h"

#include <torch/types.h>

#include "trainer/state/model_state.h"
#include "trainer/state/rng.h"

namespace holdfast {

std::vector<NamedParameter> named_parameters(torch::nn::Module& model) {
  std::vector<NamedParameter> parameters;
  for (const auto& item : model.named_parameters()) parameters.push_back({item.key(), item.value()});
  return parameters;
}

at::Device place_of(torch::nn::Module& model) {
  const std::vector<at::Tensor> parameters = model.parameters();
  return parameters.empty() ? at::Device(at::kCPU) : parameters.front().device();
}

std::vector<StateEntry> training_state(Task& task, const Optimization& optimization, const WeightCopies& copies) {
  std::vector<StateEntry> entries = model_entries(task.model());
  for (const auto& optimizer : optimization.all()) {
    for (StateEntry& entry : optimizer->state()) entries.push_back(std::move(entry));
    if (task.is_manual())
      for (StateEntry& entry : optimizer->gradients().state(optimizer->name())) entries.push_back(std::move(entry));
  }
  for (StateEntry& entry : copies.state()) entries.push_back(std::move(entry));
  for (StateEntry& entry : generator_states(place_of(task.model()))) entries.push_back(std::move(entry));
  return entries;
}

}  // namespace holdfast
