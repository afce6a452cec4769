// Host memory for bulk data: aligned to huge pages, touched in advance, kept by its owner from use to use. Zero at first.
#pragma once

#include <cstddef>
#include <span>

namespace holdfast {

class HugeBuffer {
 public:
  HugeBuffer() = default;
  /// Throws std::bad_alloc.
  explicit HugeBuffer(std::size_t bytes);
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> mapping_;  // what was mapped; bytes_ is the aligned part of it
  std::span<std::byte> bytes_;
};

}  // namespace holdfast
