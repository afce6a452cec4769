#include "trainer/optimization/gradient_memory.h"

#include <c10/core/CPUAllocator.h>
#include <torch/types.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace holdfast {
namespace {

thread_local Communicator* source = nullptr;

/// What LibTorch gets its host memory from: its own allocator, but for large tensors while a GradientMemory lives. oneDNN takes buffers
/// from it as bare pointers, and so a pointer must be enough to free by.
class Allocator final : public c10::Allocator {
 public:
  static Allocator& instance() {
    static Allocator& allocator = *new Allocator;  // never destroyed: LibTorch frees by it until the process has ended
    return allocator;
  }
  c10::DataPtr allocate(std::size_t bytes) override {
    if (source != nullptr && bytes >= GradientMemory::kLargeBytes)
      if (std::shared_ptr<std::byte> memory = source->allocate(bytes)) {
        void* const at = memory.get();
        const std::lock_guard lock(mutex_);
        given_.emplace(at, std::move(memory));
        return {at, at, &release, c10::Device(c10::kCPU)};
      }
    return default_.allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* into, const void* from, std::size_t bytes) const override { default_copy_data(into, from, bytes); }

 private:
  Allocator() = default;
  static void release(void* at) {
    std::shared_ptr<std::byte> memory;  // freed after the lock
    {
      const std::lock_guard lock(instance().mutex_);
      if (const auto found = instance().given_.find(at); found != instance().given_.end()) {
        memory = std::move(found->second);
        instance().given_.erase(found);
      }
    }
    if (!memory) instance().default_.raw_deallocate(at);
  }

  c10::Allocator& default_ = *c10::GetDefaultCPUAllocator();
  std::mutex mutex_;
  std::unordered_map<void*, std::shared_ptr<std::byte>> given_;
};

void install() {
  static const bool is_done = (c10::SetCPUAllocator(&Allocator::instance(), 1), true);
  static_cast<void>(is_done);
}

}  // namespace

GradientMemory::GradientMemory(Communicator& ranks) : before_(std::exchange(source, &ranks)) { install(); }

GradientMemory::~GradientMemory() { source = before_; }

at::Tensor make_flat_gradient(Communicator& ranks, std::int64_t elements) {
  const auto bytes = static_cast<std::size_t>(elements) * sizeof(float);
  const std::shared_ptr<std::byte> memory = ranks.allocate(bytes);
  if (!memory) return at::empty({elements}, at::kFloat);
  return at::from_blob(
      memory.get(), {elements}, [memory](void*) {}, at::kFloat);
}

}  // namespace holdfast
