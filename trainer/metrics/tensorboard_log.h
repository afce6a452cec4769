// tensorboard/: what metrics.jsonl says as event files, one an attempt, for `tensorboard --logdir`. Tags: train/loss, train/lr/NAME,
// validation/accuracy, throughput/samples_per_second, ... Continued over restarts without a step twice: files of earlier attempts are cut
// back to the restored step, and a TensorBoard that has read more already is told to forget it. One thread of rank 0.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.h"
#include "trainer/metrics/event_file.h"

namespace holdfast {

class TensorBoardLog {
 public:
  /// Drops what is not to be kept of the files in `directory` that are ours. Throws StorageError, as all of them do.
  TensorBoardLog(FileSystem& files, const Clock& clock, const Path& directory, const KeptMetrics& kept);
  void write(const nlohmann::json& line);
  /// Shown as code under the tag `configuration`. `step`: the first update that it holds for, so that it goes where that is made again.
  void write_configuration(std::int64_t step, const std::string& yaml);
  void write_histogram(std::int64_t step, const std::string& tag, std::span<const float> values);
  void sync();

 private:
  void write_code(const EventTime& time, const std::string& tag, const std::string& text);
  EventTime now(std::int64_t step) const { return {step, clock_.unix_seconds()}; }
  const Clock& clock_;
  std::optional<EventFile> file_;
};

}  // namespace holdfast
