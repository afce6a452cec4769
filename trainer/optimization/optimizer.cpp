#include "trainer/optimization/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <torch/types.h>

#include "trainer/state/state_entry.h"

namespace holdfast {

Optimizer::Optimizer(std::string name, const OptimizerOptions& options, std::size_t bucket_bytes, std::vector<NamedParameter> parameters)
    : name_(std::move(name)), options_(options), gradients_(std::move(parameters), bucket_bytes) {
  for (const NamedParameter& parameter : gradients_.parameters()) {
    Slot slot{.is_decayed = options_.decay_bias_and_norm || parameter.tensor.dim() > 1};
    const bool is_adamw = options_.type == OptimizerKind::adamw;
    if (is_adamw || options_.momentum != 0) slot.first = torch::zeros_like(parameter.tensor).detach();
    if (is_adamw) {
      slot.second = torch::zeros_like(parameter.tensor).detach();
      slot.step = torch::zeros({}, parameter.tensor.options().dtype(torch::kFloat).requires_grad(false));
    }
    slots_.push_back(std::move(slot));
  }
}

void Optimizer::step(double lr, double divisor) {
  const torch::NoGradGuard no_grad;
  std::optional<at::Tensor> scale;  // given one, the kernels write the divided gradients back: left out where it is 1
  if (divisor != 1.0)
    scale = torch::full({}, divisor, at::TensorOptions(torch::kFloat).device(gradients_.parameters().front().tensor.device()));
  std::vector<std::size_t> decayed, plain;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (gradients_.is_used(i)) (slots_[i].is_decayed ? decayed : plain).push_back(i);
  step_group(decayed, lr, options_.weight_decay, scale);
  step_group(plain, lr, 0.0, scale);
  ++updates_;
}

void Optimizer::step_group(const std::vector<std::size_t>& members, double lr, double weight_decay,
                           const std::optional<at::Tensor>& divisor) {
  if (members.empty()) return;
  std::vector<at::Tensor> parameters, gradients, first, second, steps;
  for (const std::size_t i : members) {
    parameters.push_back(gradients_.parameters()[i].tensor);
    gradients.push_back(gradients_.gradient(i));
    if (slots_[i].first.defined()) first.push_back(slots_[i].first);
    if (slots_[i].second.defined()) second.push_back(slots_[i].second);
    if (slots_[i].step.defined()) steps.push_back(slots_[i].step);
  }
  // The kernels divide each gradient by `grad_scale` as they read it: clipping costs no pass of its own.
  if (options_.type == OptimizerKind::adamw) {
    at::_foreach_add_(steps, 1);
    at::_fused_adamw_(parameters, gradients, first, second, {}, steps, lr, options_.betas.at(0), options_.betas.at(1), weight_decay,
                      options_.eps, /*amsgrad=*/false, /*maximize=*/false, divisor, std::nullopt);
  } else {
    // A momentum buffer of zeros gives the same first step as "no buffer yet".
    at::_fused_sgd_(parameters, gradients, first, weight_decay, options_.momentum, lr, /*dampening=*/0.0, options_.nesterov,
                    /*maximize=*/false, /*is_first_step=*/false, divisor, std::nullopt);
  }
}

std::vector<StateEntry> Optimizer::state() const {
  std::vector<StateEntry> entries;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::string prefix = kOptimizerPrefix + name_ + "/" + gradients_.parameters()[i].name + "/";
    const bool is_adamw = options_.type == OptimizerKind::adamw;
    const auto add = [&](const char* what, const at::Tensor& tensor) {
      if (tensor.defined()) entries.push_back(entry_of(prefix + what, tensor, TensorKind::replicated, true));
    };
    add(is_adamw ? "exp_avg" : "momentum", slots_[i].first);
    add("exp_avg_sq", slots_[i].second);
    add("step", slots_[i].step);
  }
  return entries;
}

}  // namespace holdfast
