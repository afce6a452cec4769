// What a user may bring beside tasks and data: a function of weights, whose result a checkpoint holds beside the original. It knows
// nothing of files, ranks or steps. Registered by a plugin: Registry::add_transform.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

/// Some elements of one parameter or buffer of the model.
struct WeightSlice {
  std::string name;                 // LibTorch's: "0.weight"
  std::vector<std::int64_t> shape;  // of the whole tensor
  std::int64_t offset = 0;          // of the slice's first element, in row-major order
  at::Tensor values;                // [n], floating-point; a copy: whatever is done to it, the model keeps its own
};

class Transform {
 public:
  virtual ~Transform() = default;
  /// What becomes of a floating-point tensor of `dtype`: one of float16, bfloat16, float32, float64. Others are stored as they are.
  virtual at::ScalarType dtype(at::ScalarType dtype) const { return dtype; }
  /// [n] new values of that dtype, of each element alone: where a tensor is cut depends on sizes and on the number of ranks. A function
  /// of its argument; called by threads of the engine, several at a time, without gradients. What it throws costs this copy alone.
  virtual at::Tensor apply(const WeightSlice& slice) const = 0;
};

}  // namespace holdfast
