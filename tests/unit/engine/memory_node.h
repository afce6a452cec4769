// What MemoryFileSystem keeps for each file, directory and link. No locks: those are the file system's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace holdfast {

inline constexpr std::uint64_t kPageBytes = 4096;

/// Of a file's content, one page or the size.
struct DataChange {
  std::uint64_t offset_or_size = 0;
  std::vector<std::byte> page;  // empty: the size
};
/// A file, directory or link as it is now, and as it is synced.
struct MemoryNode {
  explicit MemoryNode(FileKind kind_, std::string target_ = {}) : kind(kind_), target(std::move(target_)) {}
  FileKind kind;
  std::string target;
  std::vector<std::byte> data, synced_data;
  std::vector<DataChange> unsynced;
  std::map<std::string, std::shared_ptr<MemoryNode>> names, synced_names;

  void resize(std::uint64_t size) {
    data.resize(size);
    unsynced.push_back({size, {}});
  }
  void write(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (offset + bytes.size() > data.size()) resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(offset));
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), kPageBytes - offset % kPageBytes));
      unsynced.push_back({offset, {part.begin(), part.end()}});
      offset += part.size();
      bytes = bytes.subspan(part.size());
    }
  }
  void sync() {
    synced_data = data;
    unsynced.clear();
  }
  /// Takes the next numbers of `kept`, from `at` on.
  void lose(const std::vector<bool>& kept, std::size_t& at) {
    std::uint64_t size = synced_data.size();
    data = synced_data;
    for (const DataChange& change : unsynced) {
      if (!kept.at(at++)) continue;
      if (change.page.empty()) size = change.offset_or_size;
      data.resize(std::max<std::uint64_t>(data.size(), change.offset_or_size + change.page.size()));
      std::copy(change.page.begin(), change.page.end(), data.begin() + static_cast<std::ptrdiff_t>(change.offset_or_size));
    }
    data.resize(size);
    sync();
  }
};

}  // namespace holdfast
