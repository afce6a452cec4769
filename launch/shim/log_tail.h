// The end of a growing log file: new lines for the terminal, the last ones for an exit record.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"

namespace holdfast {

/// The last `count` lines (whole file if shorter); at most 8 KiB are read.
std::vector<std::string> last_lines(const Path& path, std::size_t count);

class LogTail {
 public:
  /// Starts at the file's present end.
  explicit LogTail(Path path);
  /// The lines that were completed since the last call; of one longer than 8 KiB the beginning. Of more than 128 KiB or
  /// 1000 lines the newest, below a line that says how much is left out.
  std::vector<std::string> new_lines();

 private:
  Path path_;
  std::uint64_t position_;
  std::string partial_;
  bool is_cut_ = false;  // the line in partial_ has more than that
};

}  // namespace holdfast
