#include "trainer/devices/device_streams.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace holdfast {
namespace {

at::Stream from_pool(at::Device device, bool has_priority) {
  const c10::DeviceGuard guard(device);
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, has_priority);
}

}  // namespace

DeviceStreams::DeviceStreams(at::Device device)
    : device_(device), communication_(from_pool(device, true)), copy_(from_pool(device, false)) {}

at::Stream DeviceStreams::stream(StreamName name) const {
  switch (name) {
    case StreamName::communication: return communication_;
    case StreamName::copy: return copy_;
    case StreamName::compute: break;
  }
  return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

c10::Event* DeviceStreams::event_of(Mark mark) {
  const std::lock_guard lock(mutex_);
  return marks_.at(mark).get();
}

Streams::Mark DeviceStreams::record(StreamName name) {
  std::unique_ptr<c10::Event> event;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      event = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (!event) event = std::make_unique<c10::Event>(device_.type());
  const c10::DeviceGuard guard(device_);
  event->record(stream(name));
  const std::lock_guard lock(mutex_);
  marks_[++newest_] = std::move(event);
  return newest_;
}

void DeviceStreams::wait(StreamName name, Mark mark) {
  const c10::DeviceGuard guard(device_);
  event_of(mark)->block(stream(name));
}

void DeviceStreams::block(Mark mark) { event_of(mark)->synchronize(); }

bool DeviceStreams::is_reached(Mark mark) { return event_of(mark)->query(); }

void DeviceStreams::release(Mark mark) {
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(marks_.extract(mark).mapped()));
}

}  // namespace holdfast
