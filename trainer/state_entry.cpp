#include <torch/torch.h>

#include <cstring>
#include <stdexcept>

#include "trainer/state_entry.h"

namespace holdfast {
namespace {

DType dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kByte: return DType::u8;
    case at::kChar: return DType::i8;
    case at::kShort: return DType::i16;
    case at::kInt: return DType::i32;
    case at::kLong: return DType::i64;
    case at::kHalf: return DType::f16;
    case at::kBFloat16: return DType::bf16;
    case at::kFloat: return DType::f32;
    case at::kDouble: return DType::f64;
    case at::kBool: return DType::boolean;
    default: throw std::invalid_argument(std::string("a tensor of type ") + c10::toString(type) + " cannot be stored");
  }
}

/// Elements [begin, begin + count) of the row-major order of `tensor`, as a flat tensor; a copy where strides differ.
at::Tensor flat_part(const at::Tensor& tensor, std::uint64_t offset, std::size_t bytes) {
  const auto element = static_cast<std::int64_t>(tensor.element_size());
  return tensor.contiguous().view({-1}).narrow(0, static_cast<std::int64_t>(offset) / element, static_cast<std::int64_t>(bytes) / element);
}

}  // namespace

StateEntry entry_of(std::string name, at::Tensor tensor, TensorKind kind, bool changes_only_in_update) {
  tensor = tensor.detach();
  StateEntry entry{.info = {.name = std::move(name), .dtype = dtype_of(tensor.scalar_type()), .shape = tensor.sizes().vec(), .kind = kind},
                   .slice = {0, tensor.numel()},
                   .changes_only_in_update = changes_only_in_update};
  entry.copy_to = [tensor](std::uint64_t offset, std::span<std::byte> into) {
    if (!into.empty()) std::memcpy(into.data(), flat_part(tensor, offset, into.size()).data_ptr(), into.size());
  };
  entry.copy_from = [tensor](std::uint64_t offset, std::span<const std::byte> from) {
    if (from.empty()) return;
    const torch::NoGradGuard no_grad;
    const at::Tensor rows = tensor.is_contiguous() ? tensor : tensor.contiguous();
    std::memcpy(flat_part(rows, offset, from.size()).data_ptr(), from.data(), from.size());
    if (!tensor.is_contiguous()) tensor.copy_(rows);
  };
  return entry;
}

}  // namespace holdfast
