// A text or binary file that grows at its end, one whole record a call. For what people read beside a run; a checkpoint has a seam of its
// own. One thread.
#pragma once

#include <cstdio>
#include <memory>
#include <string_view>

#include "base/file_system.h"

namespace holdfast {

class AppendedFile {
 public:
  /// Creates the file where it is not there. Throws StorageError, as all of them do.
  explicit AppendedFile(const Path& path);
  /// The bytes are the system's when it returns: a reader sees them.
  void append(std::string_view bytes);
  /// fsync.
  void sync();

 private:
  Path path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace holdfast
