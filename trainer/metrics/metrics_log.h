// metrics.jsonl: one JSON object a line, written by rank 0. After a restart it is cut back to the restored step, so that it
// reads as if nothing had happened: no gap, no line twice. What depends on the clock is under "wall_clock".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "trainer/metrics/appended_file.h"
#include "trainer/metrics/kept_metrics.h"

namespace holdfast {

class MetricsLog {
 public:
  /// Drops what is not to be kept, and a torn last line, and appends from there.
  MetricsLog(FileSystem& files, const Path& path, const KeptMetrics& kept);
  /// Throws StorageError.
  void write(const nlohmann::json& line);
  /// fsync: called before a checkpoint that counts on these lines.
  void sync() { file_.sync(); }

 private:
  AppendedFile file_;
};

}  // namespace holdfast
