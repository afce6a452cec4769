#include <torch/types.h>

#include <cstring>
#include <memory>
#include <stdexcept>

#include "trainer/devices/host_copy.h"
#include "trainer/state/state_entry.h"

namespace holdfast {
namespace {

constexpr std::pair<at::ScalarType, DType> kTypes[] = {{at::kByte, DType::u8},       {at::kChar, DType::i8},   {at::kShort, DType::i16},
                                                       {at::kInt, DType::i32},       {at::kLong, DType::i64},  {at::kHalf, DType::f16},
                                                       {at::kBFloat16, DType::bf16}, {at::kFloat, DType::f32}, {at::kDouble, DType::f64},
                                                       {at::kBool, DType::boolean}};

}  // namespace

DType dtype_of(at::ScalarType type) {
  for (const auto& [ours, stored] : kTypes)
    if (ours == type) return stored;
  throw std::invalid_argument(std::string("a tensor of type ") + c10::toString(type) + " cannot be stored");
}

at::ScalarType scalar_type_of(DType dtype) {
  for (const auto& [ours, stored] : kTypes)
    if (stored == dtype) return ours;
  throw std::invalid_argument("no tensor has the type of number " + std::to_string(static_cast<int>(dtype)));
}

StateEntry converting_entry_of(std::string name, at::Tensor tensor, TensorKind kind, DType stored) {
  StateEntry entry = entry_of(std::move(name), tensor, kind, false);
  const StateEntry own = entry;
  entry.info.dtype = stored;
  entry.copy_from = [own, type = scalar_type_of(stored), to = tensor.scalar_type()](std::uint64_t offset, std::span<const std::byte> from) {
    const torch::NoGradGuard no_grad;
    const auto count = static_cast<std::int64_t>(from.size() / size_of(dtype_of(type)));
    const at::Tensor values = at::empty({count}, type);
    std::memcpy(values.data_ptr(), from.data(), from.size());
    const at::Tensor converted = values.to(to);
    const std::size_t element = size_of(own.info.dtype);
    own.copy_from(offset / size_of(dtype_of(type)) * element,
                  {static_cast<const std::byte*>(converted.const_data_ptr()), static_cast<std::size_t>(count) * element});
  };
  return entry;
}

StateEntry entry_of(std::string name, at::Tensor tensor, TensorKind kind, bool changes_only_in_update) {
  tensor = tensor.detach();
  StateEntry entry{.info = {.name = std::move(name), .dtype = dtype_of(tensor.scalar_type()), .shape = tensor.sizes().vec(), .kind = kind},
                   .slice = {0, tensor.numel()},
                   .changes_only_in_update = changes_only_in_update};
  if (tensor.is_cpu())
    entry.copy_to = [tensor](std::uint64_t offset, std::span<std::byte> into) {
      if (!into.empty()) std::memcpy(into.data(), flat_part(tensor, offset, into.size()).data_ptr(), into.size());
    };
  else
    entry.copy_to = [copy = std::make_shared<HostCopy>(tensor)](std::uint64_t offset, std::span<std::byte> into) {
      copy->copy(offset, into);
    };
  entry.copy_from = [tensor](std::uint64_t offset, std::span<const std::byte> from) { copy_from_host(tensor, offset, from); };
  return entry;
}

}  // namespace holdfast
