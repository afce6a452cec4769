// A TorchScript file as a module of LibTorch's C++ interface, so that it is trained and stored like any other: the same tensors under the
// same names. Training thread only.
#pragma once

#include <torch/nn/module.h>
#include <torch/script.h>

#include <string>
#include <vector>

namespace holdfast {

class ScriptModule final : public torch::nn::Module {
 public:
  /// Throws c10::Error: no such file, no TorchScript. Throws std::invalid_argument: no method `forward`, no parameter that requires a
  /// gradient.
  explicit ScriptModule(const std::string& file);

  /// Runs the code as it stands: the executor, which watches the first calls and then changes the graph for speed, is off, as a process
  /// that goes on from a checkpoint would otherwise compute other bits in its first step. Throws c10::Error; std::invalid_argument when the
  /// result is no tensor.
  at::Tensor forward(const std::vector<at::Tensor>& inputs);
  void train(bool is_on = true) override;

 private:
  struct Buffer {
    torch::jit::Module owner;
    std::string name;
    at::Tensor tensor;
  };

  void adopt(torch::nn::Module& into, const torch::jit::Module& from);
  void keep_buffers();

  torch::jit::Module script_;
  std::vector<Buffer> buffers_here_;
};

}  // namespace holdfast
