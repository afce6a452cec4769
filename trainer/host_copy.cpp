#include "trainer/host_copy.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <torch/torch.h>

#include <cstring>

#include "dist/stream_order.h"
#include "trainer/device_streams.h"

namespace holdfast {
namespace {

/// A part of `memory` as a tensor of the type of `like`.
at::Tensor view_of(void* memory, std::size_t bytes, const at::Tensor& like) {
  const auto count = static_cast<std::int64_t>(bytes) / static_cast<std::int64_t>(like.element_size());
  return at::from_blob(memory, {count}, at::TensorOptions(like.scalar_type()));
}

}  // namespace

at::Tensor flat_part(const at::Tensor& tensor, std::uint64_t offset, std::size_t bytes) {
  const auto element = static_cast<std::int64_t>(tensor.element_size());
  return tensor.contiguous().view({-1}).narrow(0, static_cast<std::int64_t>(offset) / element, static_cast<std::int64_t>(bytes) / element);
}

struct HostCopy::Parts {
  explicit Parts(at::Tensor of) : tensor(std::move(of)), streams(tensor.device()), order(streams) {}
  at::Tensor tensor;
  DeviceStreams streams;
  CopyOrder order;
};

HostCopy::HostCopy(at::Tensor tensor) : parts_(std::make_unique<Parts>(std::move(tensor))) {}
HostCopy::~HostCopy() = default;

void HostCopy::copy(std::uint64_t offset, std::span<std::byte> into) {
  if (into.empty()) return;
  const torch::NoGradGuard no_grad;
  // Page-locked, from LibTorch's cache: a copy into other memory would go through a small buffer of the driver, and stop the device.
  const at::Tensor landing = at::empty({static_cast<std::int64_t>(into.size())}, at::TensorOptions(at::kByte).pinned_memory(true));
  const c10::StreamGuard on_copy_stream(parts_->streams.stream(StreamName::copy));
  parts_->order.before();
  landing.view(parts_->tensor.scalar_type()).copy_(flat_part(parts_->tensor, offset, into.size()), /*non_blocking=*/true);
  parts_->order.after();
  std::memcpy(into.data(), landing.const_data_ptr(), into.size());
}

void copy_to_device(const at::Tensor& tensor, std::uint64_t offset, std::span<const std::byte> from) {
  if (from.empty()) return;
  const torch::NoGradGuard no_grad;
  const c10::DeviceGuard on_device(tensor.device());
  const at::Tensor rows = tensor.is_contiguous() ? tensor : tensor.contiguous();
  flat_part(rows, offset, from.size()).copy_(view_of(const_cast<std::byte*>(from.data()), from.size(), tensor));
  if (!tensor.is_contiguous()) tensor.copy_(rows);
}

}  // namespace holdfast
