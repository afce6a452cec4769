// metrics.jsonl: one JSON object a line, written by rank 0. After a restart it is cut back to the restored step, so that it
// reads as if nothing had happened: no gap, no line twice. What depends on the clock is under "wall_clock".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "trainer/metrics/appended_file.h"

namespace holdfast {

class MetricsLog {
 public:
  /// Keeps the lines whose "step" is at most `step`, drops the rest (a torn last line too), and appends from there.
  MetricsLog(FileSystem& files, const Path& path, std::int64_t step);
  /// Throws StorageError.
  void write(const nlohmann::json& line);
  /// fsync: called before a checkpoint that counts on these lines.
  void sync() { file_.sync(); }

 private:
  AppendedFile file_;
};

}  // namespace holdfast
