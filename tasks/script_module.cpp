#include "tasks/script_module.h"

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <stdexcept>

namespace holdfast {

ScriptModule::ScriptModule(const std::string& file) : script_(torch::jit::load(file, at::kCPU)) {
  if (!script_.find_method("forward")) throw std::invalid_argument("it has no method forward");
  adopt(*this, script_);
  const std::vector<at::Tensor> found = parameters();
  if (std::none_of(found.begin(), found.end(), [](const at::Tensor& parameter) { return parameter.requires_grad(); }))
    throw std::invalid_argument("it has no parameter that requires a gradient (torch.jit.freeze makes constants of parameters)");
}

/// The tensors themselves, so that an update is seen by the script. One that hangs in two places is stored under its first name.
void ScriptModule::adopt(torch::nn::Module& into, const torch::jit::Module& from) {
  const auto is_known = [this](const at::Tensor& tensor) {
    const auto is_same = [&tensor](const at::Tensor& other) { return other.is_same(tensor); };
    const std::vector<at::Tensor> parameters_here = parameters(), buffers_so_far = buffers();
    return std::any_of(parameters_here.begin(), parameters_here.end(), is_same) ||
           std::any_of(buffers_so_far.begin(), buffers_so_far.end(), is_same);
  };
  for (const auto& parameter : from.named_parameters(/*recurse=*/false))
    if (!is_known(parameter.value)) into.register_parameter(parameter.name, parameter.value, parameter.value.requires_grad());
  for (const auto& buffer : from.named_buffers(/*recurse=*/false)) {
    if (!buffer.value.defined() || is_known(buffer.value)) continue;
    into.register_buffer(buffer.name, buffer.value);
    buffers_here_.push_back({from, buffer.name, buffer.value});
  }
  for (const auto& child : from.named_children())
    adopt(*into.register_module(child.name, std::make_shared<torch::nn::Module>()), child.value);
}

at::Tensor ScriptModule::forward(const std::vector<at::Tensor>& inputs) {
  const torch::jit::GraphOptimizerEnabledGuard as_it_stands(false);
  const c10::IValue result = script_.forward({inputs.begin(), inputs.end()});
  keep_buffers();
  if (!result.isTensor()) throw std::invalid_argument("forward gives no tensor but " + result.tagKind());
  return result.toTensor();
}

/// `self.count = self.count + 1` puts another tensor in the place of the one that is stored.
void ScriptModule::keep_buffers() {
  const torch::NoGradGuard no_grad;
  for (Buffer& buffer : buffers_here_) {
    const at::Tensor now = buffer.owner.attr(buffer.name).toTensor();
    if (now.is_same(buffer.tensor)) continue;
    buffer.tensor.copy_(now);
    buffer.owner.setattr(buffer.name, buffer.tensor);
  }
}

void ScriptModule::train(bool is_on) {
  torch::nn::Module::train(is_on);
  script_.train(is_on);
}

}  // namespace holdfast
