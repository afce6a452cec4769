// A file of events as TensorBoard reads it: TFRecords (length, its CRC, bytes, their CRC; CRC-32C, masked) that hold protocol buffers
// `Event`. Source of both formats: tensorflow/core/lib/io/record_writer.cc, tensorflow/core/util/event.proto,
// tensorflow/core/framework/summary.proto. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "trainer/metrics/appended_file.h"
#include "trainer/metrics/histogram.h"
#include "trainer/metrics/kept_metrics.h"

namespace holdfast {

struct EventTime {
  std::int64_t step = 0;
  double unix_seconds = 0;
};

class EventFile {
 public:
  /// A new file. Throws StorageError, as all of them do.
  EventFile(const Path& path, double unix_seconds);
  /// A reader that has seen events of `step` or later in older files is to forget them.
  void write_start(const EventTime& time);
  void write_scalar(const EventTime& time, const std::string& tag, double value);
  /// Markdown.
  void write_text(const EventTime& time, const std::string& tag, const std::string& text);
  void write_histogram(const EventTime& time, const std::string& tag, const Histogram& histogram);
  void sync() { file_.sync(); }

 private:
  void append(const std::string& event);
  AppendedFile file_;
};

/// How many bytes from the beginning of an event file hold whole events that are to be kept; all that follows the first other one is not.
/// `events`: how many of them have a value. The kind of a value is what its tag has before the first '/'.
struct EventPrefix {
  std::size_t bytes = 0;
  std::int64_t events = 0;
};
EventPrefix kept_events(std::string_view file, MetricsCut& cut);

}  // namespace holdfast
