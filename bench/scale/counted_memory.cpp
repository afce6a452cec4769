#include "bench/scale/counted_memory.h"

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> is_counting{false};
std::atomic<std::int64_t> taken{0}, most{0};

void* take(std::size_t bytes, std::size_t alignment) {
  void* memory = alignment <= alignof(std::max_align_t) ? std::malloc(bytes == 0 ? 1 : bytes)
                                                        : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  if (!is_counting.load(std::memory_order_relaxed)) return memory;
  const auto size = static_cast<std::int64_t>(::malloc_usable_size(memory));
  const std::int64_t now = taken.fetch_add(size) + size;
  for (std::int64_t before = most.load(); before < now && !most.compare_exchange_weak(before, now);) continue;
  return memory;
}

void give_back(void* memory) noexcept {
  if (memory != nullptr && is_counting.load(std::memory_order_relaxed)) taken -= static_cast<std::int64_t>(::malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t bytes) { return take(bytes, 1); }
void* operator new[](std::size_t bytes) { return take(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return take(bytes, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t bytes, std::align_val_t alignment) { return take(bytes, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }

namespace holdfast {

void CountedMemory::forget() {
  is_counting = false;
  taken = most = 0;
}

void CountedMemory::count(bool is_on) { is_counting = is_on; }

std::size_t CountedMemory::peak_bytes() { return static_cast<std::size_t>(most.load()); }

}  // namespace holdfast
