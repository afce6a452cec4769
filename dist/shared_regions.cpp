#include "dist/shared_regions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace holdfast {
namespace {

constexpr std::size_t kPage = 4096;
/// Freed memory beyond this is given back to the system, as base/allocator.h has it for the rest.
constexpr std::size_t kKeptBytes = std::size_t{1} << 30;
constexpr std::size_t kTokenAt = SharedRegions::kControlBytes - sizeof(std::uint64_t);

std::atomic_ref<std::uint64_t> token_in(std::span<std::byte> region) {
  return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(region.data() + kTokenAt));
}

std::span<std::byte> map_file(int fd, std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) return {};
  ::madvise(at, bytes, MADV_HUGEPAGE);  // where the system allows it for shared memory
  ::madvise(at, bytes, MADV_DONTDUMP);  // gradients of all ranks in each one's core file help nobody
  return {static_cast<std::byte*>(at), bytes};
}

/// In another namespace the numbers of `handle` are another process's.
std::span<std::byte> map_region(int fd, const SharedRegions::Handle& handle) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || static_cast<std::uint64_t>(facts.st_size) != handle.bytes) return {};
  const std::span<std::byte> region = map_file(fd, handle.bytes);
  if (region.empty() || token_in(region).load() == handle.token) return region;
  ::munmap(region.data(), region.size());
  return {};
}

}  // namespace

SharedRegions::SharedRegions(std::size_t bytes) {
  rlimit largest{};  // of files, which memory of this kind counts as: beyond it there is a signal
  if (::getrlimit(RLIMIT_FSIZE, &largest) == 0 && largest.rlim_cur < bytes) return;
  const int fd = ::memfd_create("holdfast-gradients", MFD_CLOEXEC);
  if (fd < 0) return;
  if (::ftruncate(fd, static_cast<off_t>(bytes)) == 0) own_ = map_file(fd, bytes);
  if (own_.empty() || ::getrandom(&mine_.token, sizeof mine_.token, 0) != sizeof mine_.token) {
    ::close(fd);
    return;
  }
  mine_.pid = ::getpid();
  mine_.fd = fd;
  mine_.bytes = bytes;
  token_in(own_).store(mine_.token);
}

SharedRegions::~SharedRegions() {
  for (const std::span<std::byte>& region : regions_)
    if (region.data() != own_.data()) ::munmap(region.data(), region.size());
  if (!own_.empty()) ::munmap(own_.data(), own_.size());
  if (mine_.fd >= 0) ::close(static_cast<int>(mine_.fd));
}

bool SharedRegions::map(std::span<const Handle> all, std::size_t mine) {
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].fd < 0) return false;
    if (rank == mine) {
      regions_.push_back(own_);
      continue;
    }
    const int fd = ::open(fmt::format("/proc/{}/fd/{}", all[rank].pid, all[rank].fd).c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    const std::span<std::byte> region = map_region(fd, all[rank]);
    ::close(fd);
    if (region.empty()) return false;
    regions_.push_back(region);
  }
  return true;
}

void* SharedRegions::allocate(std::size_t bytes, std::size_t end) {
  const std::size_t size = (bytes + kPage - 1) / kPage * kPage;
  end = std::min(end, own_.size());
  const std::lock_guard lock(mutex_);
  std::size_t offset = 0, taken = size;
  if (const auto fit = free_.lower_bound(size);
      fit != free_.end() && fit->first <= size + size / 8 && fit->second.offset + fit->first <= end) {
    taken = fit->first;
    offset = fit->second.offset;
    if (fit->second.has_pages) kept_bytes_ -= taken;
    free_.erase(fit);
  } else {
    if (size > end - std::min(end, end_)) return nullptr;
    offset = end_;
    end_ += size;
  }
  used_.emplace(offset, taken);
  return own_.data() + offset;
}

void SharedRegions::deallocate(void* pointer) {
  const std::size_t offset = offset_of(pointer);
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(offset);
  if (found == used_.end()) return;
  const bool has_pages = kept_bytes_ + found->second <= kKeptBytes;
  if (has_pages)
    kept_bytes_ += found->second;
  else
    ::madvise(pointer, found->second, MADV_REMOVE);
  free_.emplace(found->second, Free{offset, has_pages});
  used_.erase(found);
}

bool SharedRegions::contains(const void* pointer) const {
  const auto* at = static_cast<const std::byte*>(pointer);
  return !own_.empty() && at >= own_.data() + kControlBytes && at < own_.data() + own_.size();
}

}  // namespace holdfast
