// The newest operations that a rank has queued on its device: a ring in shared memory (part of the heartbeat), which outlives the rank, so
// that its shim can write it down whatever has ended the rank. Written by two threads of the rank (dist/flight_recorder.h), read by another
// process at any moment.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace holdfast {

/// Fields of a slot belong together while its sequence number stays.
struct FlightSlot {
  std::atomic<std::uint64_t> sequence;  // 0: empty, or being filled
  std::atomic<std::uint32_t> kind;      // OperationKind
  std::atomic<std::uint64_t> bytes;
  std::atomic<double> queued_at;   // seconds since 1970; 0: not yet
  std::atomic<double> started_at;  // when it was first seen to have begun on the device
  std::atomic<double> ended_at;
};

struct FlightRing {
  static constexpr std::size_t kSlots = 64;
  // The newest operation of which that is known; they count from 1.
  std::atomic<std::uint64_t> queued, started, ended;
  FlightSlot slots[kSlots];
};

}  // namespace holdfast
