// The heartbeat of a rank: a small block of shared memory that the rank writes and its shim reads. The rank finds it by
// a file descriptor in HOLDFAST_HEARTBEAT_FD. Written by the training thread, read by another process at any moment.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/flight_ring.h"
#include "base/section.h"
#include "base/time_ledger.h"

namespace holdfast {

/// What is in the shared memory. Each field is consistent by itself; a reader may see fields of two moments.
struct HeartbeatBlock {
  std::atomic<std::uint64_t> beats;        // grows with every call; unchanged for long = the rank does nothing
  std::atomic<std::uint32_t> section;      // Section
  std::atomic<std::int64_t> step;          // as in SectionTracker::enter
  std::atomic<std::uint64_t> collectives;  // sequence number of the last collective that was begun
  std::atomic<std::uint32_t> is_inside_collective;
  std::atomic<std::int64_t> global_step;  // completed updates
  std::atomic<std::int64_t> last_step;    // where the run will end; 0: not known yet
  std::atomic<double> samples_per_second;
  std::atomic<double> steps_per_second;
  std::atomic<double> loss;
  std::atomic<std::int64_t> durable_step;          // newest committed checkpoint that this rank knows of; -1: none
  std::atomic<std::int64_t> saving_step;           // of the save in flight; -1: none
  std::atomic<std::int64_t> resumed_step;          // what it has restored; -1: it began from the beginning, -2: not known yet
  std::atomic<std::uint32_t> takes_stop_requests;  // SIGTERM asks for a checkpoint from now on; before, it would just kill
  std::atomic<std::uint32_t> is_futile;            // what the rank ends with would end the next attempt too
  std::atomic<std::uint32_t> stops_run;            // a stop that is no business of one rank: max_time, the job's end, a stop file
  std::atomic<std::uint32_t> is_standing_by;       // it waits for the attempt before its own to be over, and has begun nothing
  TimeTotals times;                                // where its time went
  FlightRing operations;                           // on its device; none where it computes on the CPU
  char error[1024];                                // last words of a rank that ends with an exception, 0-terminated
};

class Heartbeat {
 public:
  /// Makes a new block (the shim's side). Throws StorageError.
  static std::unique_ptr<Heartbeat> create();
  /// Opens the block of HOLDFAST_HEARTBEAT_FD (the rank's side); null where there is no shim.
  static std::unique_ptr<Heartbeat> from_environment();
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// Inherited by the rank: not close-on-exec.
  int fd() const { return fd_; }
  HeartbeatBlock& block() { return *block_; }
  const HeartbeatBlock& block() const { return *block_; }

  void enter(Section section, std::int64_t step);
  void collective(bool is_inside);
  void set_error(std::string_view text);
  std::string error() const;

 private:
  Heartbeat(int fd, HeartbeatBlock* block) : fd_(fd), block_(block) {}
  int fd_;
  HeartbeatBlock* block_;
};

}  // namespace holdfast
