#include "base/huge_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>

namespace holdfast {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kSmallPage = 4096;

}  // namespace

HugeBuffer::HugeBuffer(std::size_t bytes) {
  if (bytes == 0) return;
  const std::size_t mapped = bytes + kHugePage;
  void* memory = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mapping_ = {static_cast<std::byte*>(memory), mapped};
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  bytes_ = mapping_.subspan((kHugePage - address % kHugePage) % kHugePage, bytes);
  ::madvise(bytes_.data(), bytes_.size(), MADV_HUGEPAGE);  // a kernel without them has small ones
  for (std::size_t at = 0; at < bytes_.size(); at += kSmallPage) *static_cast<volatile std::byte*>(&bytes_[at]) = std::byte{0};
}

HugeBuffer::~HugeBuffer() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, {})), bytes_(std::exchange(other.bytes_, {})) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace holdfast
