// Memory that the ranks of one host share: each allocates from a region of its own, which all others have mapped, so that a reduction
// reads and writes the gradients where they are. Anonymous memory (memfd): nothing has to be removed, however a rank ends. No MPI: who
// makes them exchanges the handles. allocate and deallocate may be called by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace holdfast {

class SharedRegions {
 public:
  /// What the other ranks need to map a region. Trivially copyable (it travels as bytes).
  struct Handle {
    std::int64_t pid = 0, fd = -1;  // fd -1: there is none
    std::uint64_t bytes = 0, token = 0;
  };

  /// Reserves address space of `bytes` for this rank; pages are taken when they are first touched. On failure the handle says so.
  explicit SharedRegions(std::size_t bytes);
  ~SharedRegions();
  SharedRegions(const SharedRegions&) = delete;
  SharedRegions& operator=(const SharedRegions&) = delete;

  const Handle& handle() const { return mine_; }
  /// Maps the regions of all, `mine` being the place of this one. False where that is impossible: processes that do not see one another,
  /// a limit on address space.
  bool map(std::span<const Handle> all, std::size_t mine);

  /// The first kControlBytes of a region are the reduction's; they begin as zeros.
  std::byte* region(std::size_t rank) const { return regions_[rank].data(); }
  std::size_t size() const { return regions_.size(); }
  static constexpr std::size_t kControlBytes = 128 * 1024;

  /// A whole number of pages in the own region, before `end`; nullptr: there is no room. What is freed is kept for the next of about its
  /// size.
  void* allocate(std::size_t bytes, std::size_t end = SIZE_MAX);
  void deallocate(void* pointer);
  bool contains(const void* pointer) const;
  std::size_t offset_of(const void* pointer) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - own_.data());
  }

 private:
  struct Free {
    std::size_t offset;
    bool has_pages;
  };
  Handle mine_;
  std::span<std::byte> own_;
  std::vector<std::span<std::byte>> regions_;
  mutable std::mutex mutex_;
  std::size_t end_ = kControlBytes;                    // nothing behind it has ever been allocated
  std::size_t kept_bytes_ = 0;                         // freed, with their pages
  std::multimap<std::size_t, Free> free_;              // by size
  std::unordered_map<std::size_t, std::size_t> used_;  // offset to size
};

}  // namespace holdfast
