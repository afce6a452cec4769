// Looks after operations that a device carries out behind the thread that queued them: notes when each begins and ends, and finds the one
// that fails or does not end. Logic alone: knows no device and starts no thread (dist/tear_down.h acts on what it finds). watch() is called
// by one thread, poll() by another.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "dist/flight_recorder.h"

namespace holdfast {

/// The marks that an operation has left in its stream. Asked by the watchdog's thread; none of it blocks.
class OperationMarks {
 public:
  virtual ~OperationMarks() = default;
  virtual bool has_started() = 0;
  virtual bool is_done() = 0;
  /// Why it will never be done; empty: nothing is known against it.
  virtual std::string failure() = 0;
};

class Watchdog {
 public:
  struct Parts {
    FlightRecorder& recorder;
    const Clock& clock;
    double deadline_seconds;
    std::function<std::string()> failure;  // of the connection itself: what it has noticed behind any operation; empty: nothing
  };
  explicit Watchdog(Parts parts) : parts_(std::move(parts)) {}

  /// An operation is about to be queued, behind all that are watched. Its number.
  std::uint64_t begin(OperationKind kind, std::uint64_t bytes);
  /// It is queued: its marks are in the stream.
  void watch(std::uint64_t sequence, std::uint64_t bytes, std::unique_ptr<OperationMarks> marks);
  /// What is wrong, in words; nullopt: nothing. To be called every now and then.
  std::optional<std::string> poll();

 private:
  struct Watched {
    std::uint64_t sequence;
    std::uint64_t bytes;
    std::unique_ptr<OperationMarks> marks;
    std::optional<double> started_at;  // seconds of the clock
  };
  /// Notes what has become of it; true: it is over.
  bool advance(Watched& operation);

  Parts parts_;
  std::mutex mutex_;
  std::deque<Watched> watched_;
};

}  // namespace holdfast
