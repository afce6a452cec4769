// Says what this process was doing when code that is not ours ends it: a crash, exit(), a kill. Alive around calls into a plugin, which
// come before the sections of the loop have a name for the place.
#pragma once

#include <string>

#include "base/heartbeat.h"

namespace holdfast {

/// While it lives, `text` is what the shim reports of a rank that ends, and what a crash (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) writes
/// to standard error. One at a time; the thread that makes it ends it. `heartbeat` may be null.
class CrashNotice {
 public:
  CrashNotice(std::string text, Heartbeat* heartbeat);
  ~CrashNotice();
  CrashNotice(const CrashNotice&) = delete;
  CrashNotice& operator=(const CrashNotice&) = delete;

 private:
  std::string text_;
  Heartbeat* heartbeat_;
};

}  // namespace holdfast
