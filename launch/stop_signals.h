// Signals that ask for a stop, and the supervisor's taking of them: one StopSignals per process, made before any thread is started.
#pragma once

#include <functional>
#include <optional>

namespace holdfast {

/// What the signals mean that ask the supervisor or a shim to stop. USR1 and USR2 are sent by schedulers and scripts, ahead of a TERM and
/// more than once: only the second of the others is a person's haste, and only if it comes kHasteSeconds after the first. `timeout`
/// tells a process first and then its group; a scheduler that tells every process, which mpirun passes on, tells a shim twice.
class StopRequests {
 public:
  static constexpr double kHasteSeconds = 0.5;
  enum class Meaning { nothing_new, stop, haste };
  Meaning add(int signal, double seconds);

 private:
  bool has_any_ = false;
  std::optional<double> urgent_at_;  // the first
};

class StopSignals {
 public:
  /// Blocks the signals and takes them as a file descriptor. Throws StorageError.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Readable when a signal has come.
  int fd() const { return fd_; }
  /// Takes what has come, without blocking: `stop` for a request that counts, with whether it is the first.
  void take(const std::function<void(bool is_first)>& stop);
  bool is_stop_requested() const { return is_stop_requested_; }

 private:
  int fd_;
  StopRequests requests_;
  bool is_stop_requested_ = false;
};

}  // namespace holdfast
