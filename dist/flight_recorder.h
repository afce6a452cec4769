// Writes a flight ring: which operations a rank has queued on its device, and how far the device has come. begin() is called by the thread
// that queues, started() and ended() by the watchdog.
#pragma once

#include "base/flight_record.h"

namespace holdfast {

class FlightRecorder {
 public:
  /// `ring` is zero at first and outlives the recorder.
  explicit FlightRecorder(FlightRing& ring) : ring_(ring) {}

  /// An operation is queued. Returns its number: 1, 2, …
  std::uint64_t begin(OperationKind kind, std::uint64_t bytes, double unix_seconds);
  void started(std::uint64_t sequence, double unix_seconds);
  void ended(std::uint64_t sequence, double unix_seconds);

 private:
  /// nullptr: newer ones have taken its place.
  FlightSlot* slot_of(std::uint64_t sequence);
  FlightRing& ring_;
};

}  // namespace holdfast
