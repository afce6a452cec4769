// Where gradients lie: in memory of the communicator's, so that they are reduced in place. Host memory only.
#pragma once

#include <ATen/core/Tensor.h>

#include "dist/communicator.h"

namespace holdfast {

/// While it lives, large tensors that this thread makes (256 KiB or more: the gradients of a backward pass) lie there, as long as there is
/// room. They may outlive it, and the communicator.
class GradientMemory {
 public:
  explicit GradientMemory(Communicator& ranks);
  ~GradientMemory();
  GradientMemory(const GradientMemory&) = delete;
  GradientMemory& operator=(const GradientMemory&) = delete;

  static constexpr std::size_t kLargeBytes = 256 * 1024;

 private:
  Communicator* before_;
};

/// float32 [elements], there if possible.
at::Tensor make_flat_gradient(Communicator& ranks, std::int64_t elements);

}  // namespace holdfast
