// The supervisor's signals: children that changed, and requests to stop. One object per process, made before any thread is started.
#pragma once

#include <functional>

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
  /// schedulers and scripts, ahead of a TERM and more than once: only the second of the others is a person's haste.
  void take(const std::function<void(bool is_first)>& stop);
  bool is_stop_requested() const { return is_stop_requested_; }

 private:
  int fd_;
  bool is_stop_requested_ = false;
  int urgent_ = 0;
};

}  // namespace holdfast
