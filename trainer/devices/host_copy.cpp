#include "trainer/devices/host_copy.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <torch/types.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "trainer/devices/device_streams.h"

namespace holdfast {
namespace {

/// One for all copies from a device, so that its events are used again. Never destroyed: at the end of the process the driver may be gone.
DeviceStreams& streams_of(at::Device device) {
  static std::mutex mutex;
  static auto& known = *new std::map<std::pair<at::DeviceType, at::DeviceIndex>, std::unique_ptr<DeviceStreams>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<DeviceStreams>& streams = known[{device.type(), device.index()}];
  if (!streams) streams = std::make_unique<DeviceStreams>(device);
  return *streams;
}

}  // namespace

at::Tensor flat_part(const at::Tensor& tensor, std::uint64_t offset, std::size_t bytes) {
  const auto element = static_cast<std::int64_t>(tensor.element_size());
  return tensor.contiguous().view({-1}).narrow(0, static_cast<std::int64_t>(offset) / element, static_cast<std::int64_t>(bytes) / element);
}

HostCopy::HostCopy(at::Tensor tensor) : tensor_(std::move(tensor)), streams_(streams_of(tensor_.device())), order_(streams_) {}

void HostCopy::copy(std::uint64_t offset, std::span<std::byte> into) {
  if (into.empty()) return;
  const torch::NoGradGuard no_grad;
  // Page-locked, from LibTorch's cache: a copy into other memory would go through a small buffer of the driver, and stop the device.
  const at::Tensor landing = at::empty({static_cast<std::int64_t>(into.size())}, at::TensorOptions(at::kByte).pinned_memory(true));
  const c10::StreamGuard on_copy_stream(streams_.stream(StreamName::copy));
  order_.before();
  landing.view(tensor_.scalar_type()).copy_(flat_part(tensor_, offset, into.size()), /*non_blocking=*/true);
  order_.after();
  std::memcpy(into.data(), landing.const_data_ptr(), into.size());
}

void copy_from_host(const at::Tensor& tensor, std::uint64_t offset, std::span<const std::byte> from) {
  if (from.empty()) return;
  const torch::NoGradGuard no_grad;
  const c10::DeviceGuard on_device(tensor.device());
  const at::Tensor rows = tensor.contiguous();
  const at::Tensor part = flat_part(rows, offset, from.size());
  if (part.is_cpu())
    std::memcpy(part.data_ptr(), from.data(), from.size());
  else
    part.copy_(at::from_blob(const_cast<std::byte*>(from.data()), part.sizes(), at::TensorOptions(part.scalar_type())));
  if (!rows.is_same(tensor)) tensor.copy_(rows);
}

}  // namespace holdfast
