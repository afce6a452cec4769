// Copies between tensors and the host's memory, for checkpoints: of a tensor on a device to the host behind the computing, on a stream of
// their own, through page-locked memory; from the host in the order of the computing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "dist/stream_order.h"

namespace holdfast {

class DeviceStreams;

/// A tensor on a device, as it is at one moment.
class HostCopy {
 public:
  /// Of what `tensor` holds when all that the calling thread has queued on its device by now is done. Shares the tensor, which must not be
  /// written to while a copy runs.
  explicit HostCopy(at::Tensor tensor);

  /// Bytes from `offset` on, in row-major order, whatever the tensor's strides. Any thread; blocks until they are there.
  void copy(std::uint64_t offset, std::span<std::byte> into);

 private:
  at::Tensor tensor_;
  DeviceStreams& streams_;
  CopyOrder order_;
};

/// Puts bytes into `tensor`, wherever it is, from `offset` on, row-major, after all that the calling thread has queued. Blocks until `from`
/// is not needed any more.
void copy_from_host(const at::Tensor& tensor, std::uint64_t offset, std::span<const std::byte> from);

/// Elements of the row-major order of `tensor`, as a flat tensor; a copy where strides differ.
at::Tensor flat_part(const at::Tensor& tensor, std::uint64_t offset, std::size_t bytes);

}  // namespace holdfast
