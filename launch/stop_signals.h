// The supervisor's signals: children that changed, and requests to stop. One object per process, made before any thread is started.
#pragma once

#include <functional>
#include <optional>

namespace holdfast {

class StopSignals {
 public:
  /// Blocks the signals and takes them as a file descriptor. Throws StorageError.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Readable when a signal has come.
  int fd() const { return fd_; }
  /// Takes what has come, without blocking: `stop` for a request that counts, with whether it is the first. USR1 and USR2 are sent by
  /// schedulers and scripts, ahead of a TERM and more than once: only the second of the others is a person's haste, and only if it comes
  /// kHasteSeconds after the first. `timeout` and others tell a process first and then its group.
  void take(const std::function<void(bool is_first)>& stop);
  static constexpr double kHasteSeconds = 0.5;
  bool is_stop_requested() const { return is_stop_requested_; }

 private:
  int fd_;
  bool is_stop_requested_ = false;
  std::optional<double> urgent_at_;  // the first
};

}  // namespace holdfast
