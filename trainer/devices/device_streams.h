// The streams of a device behind LibTorch's device-neutral interface: which device it is makes no difference, and no header of it is
// needed. Any thread; `compute` is the calling thread's current stream.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "dist/streams.h"

namespace holdfast {

class DeviceStreams final : public Streams {
 public:
  /// Takes two of the device's streams from LibTorch's pool; the communication's has priority.
  explicit DeviceStreams(at::Device device);
  Mark record(StreamName stream) override;
  void wait(StreamName stream, Mark mark) override;
  void block(Mark mark) override;
  void release(Mark mark) override;
  /// Has the stream come to the mark? Does not block.
  bool is_reached(Mark mark);
  at::Stream stream(StreamName name) const;

 private:
  // Events are used again: making and destroying one costs a call of the driver, and destroying may hang where the device does.
  c10::Event* event_of(Mark mark);
  at::Device device_;
  at::Stream communication_, copy_;
  std::mutex mutex_;
  std::map<Mark, std::unique_ptr<c10::Event>> marks_;
  std::vector<std::unique_ptr<c10::Event>> spare_;
  Mark newest_ = 0;
};

}  // namespace holdfast
