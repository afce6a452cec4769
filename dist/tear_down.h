// The end of a rank whose device waits for ever: what it knows is written down, the connection is aborted so that the device comes free,
// and the process ends, however long any of that takes. And the thread that looks for such an end.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "dist/watchdog.h"

namespace holdfast {

/// Runs `work` in a thread of its own, and leaves it behind after `limit`. That is logged, as is what it throws.
void run_within(std::chrono::milliseconds limit, const char* what, std::function<void()> work);

/// What an abort of the connection between devices is given.
inline constexpr std::chrono::milliseconds kAbortLimit{10000};

struct DeviceTearDown {
  std::function<void(const std::string& why)> write_down;  // may throw, or never return
  std::function<void()> abort;                             // likewise
  std::chrono::milliseconds write_limit{5000}, abort_limit = kAbortLimit;
  std::function<void(int exit_code)> leave;  // does not return, but in tests

  /// Ends with leave(kExitUnavailable), after both limits at the latest. Each part runs in a thread of its own, which is left behind where
  /// it does not come back; what even then keeps the process is ended from outside, by the shim.
  void run(const std::string& why) const;
};

/// Polls the watchdog, and tears down once it has found something. Destroyed while it tears down, it waits for that, so that nothing that
/// the rest of the process does meanwhile decides what the rank ends with.
class WatchdogThread {
 public:
  WatchdogThread(Watchdog& watchdog, DeviceTearDown tear_down, std::chrono::milliseconds interval);

 private:
  std::jthread thread_;
};

}  // namespace holdfast
