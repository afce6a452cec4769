// logs/attempt-NNN/rank-R.times.json: where the time of a rank went, written by its shim, anew every few seconds and at the rank's end, or,
// where it has none, by the rank itself at its end.
#pragma once

#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/time_record.h"

namespace holdfast {

struct TimesFile {
  int rank = 0;
  std::string host;
  double unix_seconds = 0;  // when the times were read
  bool is_ended = false;    // nothing comes after it: for whoever looks at the file
  TimeRecord times;
};

/// A reader sees the old file or the new one. A failure costs the file and nothing else: false.
bool write_times_file(const Path& path, const TimesFile& file) noexcept;
/// nullopt: there is none, or it is damaged.
std::optional<TimesFile> read_times_file(const Path& path);

}  // namespace holdfast
