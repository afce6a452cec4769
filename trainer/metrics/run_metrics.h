// What a run measures, written in every form that was asked for: metrics.jsonl always, metrics.csv and tensorboard/ by `logging`. Each is
// cut back to the restored step and goes on from there. Rank 0, one thread; everything throws StorageError.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "checkpoint/format/layout.h"
#include "options/run_options.h"
#include "trainer/metrics/csv_log.h"
#include "trainer/metrics/metrics_log.h"
#include "trainer/metrics/tensorboard_log.h"

namespace holdfast {

class RunMetrics {
 public:
  RunMetrics(FileSystem& files, const Clock& clock, const RunLayout& layout, const LoggingOptions& options, const KeptMetrics& kept);
  /// An object with `kind` (train or validation), `step`, and numbers.
  void write(const nlohmann::json& line);
  void write_configuration(std::int64_t step, const nlohmann::json& options);
  void write_histogram(std::int64_t step, const std::string& tag, std::span<const float> values);
  /// fsync: called before a checkpoint that counts on what was written.
  void sync();

 private:
  MetricsLog log_;
  std::optional<CsvLog> csv_;
  std::optional<TensorBoardLog> tensorboard_;
};

}  // namespace holdfast
