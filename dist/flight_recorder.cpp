#include "dist/flight_recorder.h"

namespace holdfast {

std::uint64_t FlightRecorder::begin(OperationKind kind, std::uint64_t bytes, double unix_seconds) {
  const std::uint64_t sequence = ring_.queued.load(std::memory_order_relaxed) + 1;
  FlightSlot& slot = ring_.slots[sequence % FlightRing::kSlots];
  slot.sequence.store(0, std::memory_order_release);  // whoever reads it meanwhile leaves it out
  slot.kind = static_cast<std::uint32_t>(kind);
  slot.bytes = bytes;
  slot.queued_at = unix_seconds;
  slot.started_at = 0;
  slot.ended_at = 0;
  slot.sequence.store(sequence, std::memory_order_release);
  ring_.queued.store(sequence, std::memory_order_release);
  return sequence;
}

FlightSlot* FlightRecorder::slot_of(std::uint64_t sequence) {
  FlightSlot& slot = ring_.slots[sequence % FlightRing::kSlots];
  return slot.sequence.load(std::memory_order_acquire) == sequence ? &slot : nullptr;
}

void FlightRecorder::started(std::uint64_t sequence, double unix_seconds) {
  if (FlightSlot* slot = slot_of(sequence)) slot->started_at = unix_seconds;
  ring_.started = sequence;
}

void FlightRecorder::ended(std::uint64_t sequence, double unix_seconds) {
  if (FlightSlot* slot = slot_of(sequence)) slot->ended_at = unix_seconds;
  ring_.ended = sequence;
}

}  // namespace holdfast
