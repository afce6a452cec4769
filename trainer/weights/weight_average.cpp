#include "trainer/weights/weight_average.h"

#include <torch/types.h>

#include <map>

#include "trainer/state/model_state.h"
#include "trainer/state/state_entry.h"

namespace holdfast {

WeightAverage::WeightAverage(std::string name, const TransformOptions& options, torch::nn::Module& model)
    : name_(std::move(name)), options_(options), model_(model) {
  for (const auto& item : model.named_parameters())
    if (item.value().is_floating_point()) items_.push_back({item.key(), at::empty_like(item.value().detach()), false});
  if (options_.buffers)
    for (const auto& item : model.named_buffers())
      if (item.value().defined() && item.value().is_floating_point())
        items_.push_back({item.key(), at::empty_like(item.value().detach()), true});
  reset();
}

std::vector<at::Tensor> WeightAverage::live() const {
  const auto parameters = model_.named_parameters();
  const auto buffers = model_.named_buffers();
  std::vector<at::Tensor> tensors;
  for (const Item& item : items_) tensors.push_back(item.is_buffer ? buffers[item.name] : parameters[item.name]);
  return tensors;
}

void WeightAverage::reset() { update(0); }

void WeightAverage::update(std::int64_t global_step) {
  const bool is_weights = global_step <= options_.start_step || global_step == 0;
  if (!is_weights && (global_step - options_.start_step) % options_.every_steps != 0) return;
  const torch::NoGradGuard no_grad;
  const std::vector<at::Tensor> weights = live();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (is_weights)
      items_[i].average.copy_(weights[i].detach());
    else
      items_[i].average.lerp_(weights[i].detach(), 1 - options_.decay);
  }
}

std::string WeightAverage::state_name(const Item& item) const { return kAveragePrefix + name_ + "/" + kModelPrefix + item.name; }

std::vector<std::string> WeightAverage::reset_missing(const std::set<std::string>& stored) {
  const torch::NoGradGuard no_grad;
  const std::vector<at::Tensor> weights = live();
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (stored.contains(state_name(items_[i]))) continue;
    items_[i].average.copy_(weights[i].detach());
    missing.push_back(items_[i].name);
  }
  return missing;
}

std::vector<StateEntry> WeightAverage::state() const {
  std::vector<StateEntry> entries;
  for (const Item& item : items_)
    entries.push_back(entry_of(state_name(item), item.average, item.is_buffer ? TensorKind::per_rank : TensorKind::replicated, true));
  return entries;
}

std::vector<StateEntry> WeightAverage::weights() const {
  std::map<std::string, const Item*> averaged;
  for (const Item& item : items_) averaged[kModelPrefix + item.name] = &item;
  std::vector<StateEntry> entries = model_entries(model_);
  for (StateEntry& entry : entries)
    if (const auto found = averaged.find(entry.info.name); found != averaged.end())
      entry = entry_of(entry.info.name, found->second->average, entry.info.kind, true);
  return entries;
}

WeightAverage::InModel::InModel(const WeightAverage& average) {
  const std::vector<at::Tensor> live = average.live();
  for (std::size_t i = 0; i < live.size(); ++i) {
    own_.emplace_back(live[i], live[i].detach());
    live[i].set_data(average.items_[i].average);
  }
}

WeightAverage::InModel::~InModel() {
  for (const auto& [tensor, own] : own_) tensor.set_data(own);
}

}  // namespace holdfast
