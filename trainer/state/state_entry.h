// A live LibTorch tensor as an entry of a snapshot.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

/// Copies to and from `tensor` in row-major order, whatever its strides. Shares the tensor. Of a tensor on a device
/// copy_to gives what it holds at the moment of this call, once the device is there. Throws std::invalid_argument for
/// a dtype that checkpoints do not have (complex, quantized).
StateEntry entry_of(std::string name, at::Tensor tensor, TensorKind kind, bool changes_only_in_update);

/// For restoring a floating-point `tensor` from a stored one of the floating-point `stored` dtype: its numbers, converted.
StateEntry converting_entry_of(std::string name, at::Tensor tensor, TensorKind kind, DType stored);

/// Throw std::invalid_argument for a type without a counterpart.
DType dtype_of(at::ScalarType type);
at::ScalarType scalar_type_of(DType dtype);

}  // namespace holdfast
