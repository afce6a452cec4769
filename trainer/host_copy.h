// Copies between tensors on a device and the host's memory, for checkpoints: to the host behind the computing, on a stream of their own,
// through page-locked memory; from the host in the order of the computing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

namespace holdfast {

/// The tensors of one device, as they are at one moment.
class HostCopy {
 public:
  /// Of what `tensor` holds when all that the calling thread has queued on its device by now is done. Shares the tensor, which must not be
  /// written to while a copy runs.
  explicit HostCopy(at::Tensor tensor);
  ~HostCopy();
  HostCopy(const HostCopy&) = delete;
  HostCopy& operator=(const HostCopy&) = delete;

  /// Bytes from `offset` on, in row-major order, whatever the tensor's strides. Any thread; blocks until they are there.
  void copy(std::uint64_t offset, std::span<std::byte> into);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Puts bytes into `tensor` from `offset` on, row-major, after all that the calling thread has queued. Blocks until `from` is not needed
/// any more.
void copy_to_device(const at::Tensor& tensor, std::uint64_t offset, std::span<const std::byte> from);

/// Elements of the row-major order of `tensor`, as a flat tensor; a copy where strides differ.
at::Tensor flat_part(const at::Tensor& tensor, std::uint64_t offset, std::size_t bytes);

}  // namespace holdfast
