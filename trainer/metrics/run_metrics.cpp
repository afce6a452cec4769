#include "trainer/metrics/run_metrics.h"

#include <nlohmann/json.hpp>

#include "options/dump.h"

namespace holdfast {

RunMetrics::RunMetrics(FileSystem& files, const Clock& clock, const RunLayout& layout, const LoggingOptions& options,
                       const KeptMetrics& kept)
    : log_(files, layout.metrics(), kept) {
  if (options.csv) csv_.emplace(files, layout.metrics_table(), kept);
  if (options.tensorboard) tensorboard_.emplace(files, clock, layout.tensorboard(), kept);
}

void RunMetrics::write(const nlohmann::json& line) {
  log_.write(line);
  if (csv_) csv_->write(line);
  if (tensorboard_) tensorboard_->write(line);
}

void RunMetrics::write_configuration(std::int64_t step, const nlohmann::json& options) {
  if (tensorboard_) tensorboard_->write_configuration(step, to_yaml(nlohmann::ordered_json(options)));
}

void RunMetrics::write_histogram(std::int64_t step, const std::string& tag, std::span<const float> values) {
  if (tensorboard_) tensorboard_->write_histogram(step, tag, values);
}

void RunMetrics::sync() {
  log_.sync();
  if (csv_) csv_->sync();
  if (tensorboard_) tensorboard_->sync();
}

}  // namespace holdfast
