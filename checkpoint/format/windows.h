// Reading a shard at the speed of the device: whole runs of digest blocks, with large aligned reads past the page cache, ahead
// of whoever uses them. Every byte is checked against the manifest before it is handed out.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/file_system.h"
#include "base/huge_buffer.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {

/// One digest block of a piece, where it lies in the file.
struct StoredBlock {
  const PieceRecord* piece = nullptr;
  std::size_t number = 0;  // within the piece
  std::uint64_t file_offset = 0;
  std::uint64_t bytes = 0;
};

/// Blocks that one read fetches, in the order of the file.
struct Window {
  const ShardRecord* shard = nullptr;
  std::vector<StoredBlock> blocks;
  std::uint64_t begin() const { return blocks.front().file_offset; }
  std::uint64_t end() const { return blocks.back().file_offset + blocks.back().bytes; }
};

/// The most that a window spans, in bytes of the file.
inline constexpr std::uint64_t kWindowBytes = std::uint64_t{4} << 20;

/// The blocks of those pieces of `shard` that are wanted, cut into windows. `manifest` owns what the windows point to.
std::vector<Window> plan_windows(const Manifest& manifest, const ShardRecord& shard,
                                 const std::function<bool(const PieceRecord&)>& is_wanted);

/// A block whose bytes are not those that were written. `text` says shard, dataset, block, offset, expected and found digest.
struct Damage {
  const StoredBlock* block = nullptr;
  std::string text;
};

class WindowReader {
 public:
  struct Read {
    const Window* window = nullptr;
    std::span<std::byte> bytes;  // of the file from window->begin() to window->end(); valid until the next call
    std::vector<Damage> damage;  // of its blocks
    std::exception_ptr failure;  // no bytes: CorruptCheckpoint (no such file, another size) or StorageError
  };
  /// Begins to read `windows`, which must outlive it, in their order.
  WindowReader(FileSystem& files, Path checkpoint, std::span<const Window> windows);
  ~WindowReader();
  WindowReader(const WindowReader&) = delete;
  WindowReader& operator=(const WindowReader&) = delete;

  /// Blocks. The next window, read and checked; window == nullptr: that was all.
  Read next();
  /// Bytes that were asked of the file system so far.
  std::uint64_t bytes_read() const;

 private:
  struct Slot {
    HugeBuffer memory;
    std::size_t skipped = 0;  // bytes before the window, for alignment
    std::vector<Damage> damage;
    std::exception_ptr failure;
    bool is_full = false;
  };
  void work();
  void fill(Slot& slot, const Window& window);
  void check(Slot& slot, const Window& window) const;
  std::unique_ptr<ReadableFile> open(const ShardRecord& shard) const;

  FileSystem& files_;
  Path checkpoint_;
  std::span<const Window> windows_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  std::size_t begun_ = 0, taken_ = 0, given_back_ = 0;  // windows: begun to be read, handed out, done with
  std::uint64_t bytes_read_ = 0;
  bool is_over_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace holdfast
