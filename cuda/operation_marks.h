// The marks of one operation in the communication stream, for the watchdog.
#pragma once

#include "dist/watchdog.h"
#include "trainer/devices/device_streams.h"

namespace holdfast {

class StreamMarks final : public OperationMarks {
 public:
  /// The operation is about to be queued in the communication stream.
  explicit StreamMarks(DeviceStreams& streams) : streams_(streams), start_(streams.record(StreamName::communication)) {}
  /// It was queued.
  void end() { end_ = streams_.record(StreamName::communication); }
  ~StreamMarks() override;
  StreamMarks(const StreamMarks&) = delete;
  StreamMarks& operator=(const StreamMarks&) = delete;

  bool has_started() override { return is_reached(start_); }
  bool is_done() override { return end_ && is_reached(*end_); }
  std::string failure() override { return failure_; }

 private:
  /// A device that has failed answers every question with that failure.
  bool is_reached(Streams::Mark mark);

  DeviceStreams& streams_;
  Streams::Mark start_;
  std::optional<Streams::Mark> end_;
  std::string failure_;
};

}  // namespace holdfast
