// A file mapped read-only into memory. Any thread may read.
#pragma once

#include <cstddef>
#include <span>

#include "base/file_system.h"

namespace holdfast {

class MappedFile {
 public:
  /// Throws DataError.
  explicit MappedFile(const Path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace holdfast
