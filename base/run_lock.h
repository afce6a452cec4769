// One training at a time in a run directory: an flock on its lock file, whose text says who holds it. The lock goes with the
// process, however it ends. One thread.
#pragma once

#include <string>

#include "base/file_system.h"

namespace holdfast {

class RunLock {
 public:
  /// Takes the lock, within kPatienceSeconds: is_held() holds it for a moment, too. `token` (may be empty) is remembered as a digest, for
  /// accepts(). Throws Error (69) that names the host,
  /// process and start of the holder, and says what was not done: `purpose` and the directory.
  RunLock(const Path& path, const std::string& token, const std::string& purpose = "train in");
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// True when somebody has it. Changes nothing; false where there is no such file.
  static bool is_held(const Path& path);
  /// True when the lock is held by whoever knows `token`.
  static bool accepts(const Path& path, const std::string& token);

  static constexpr double kPatienceSeconds = 0.5;

 private:
  int fd_;
};

}  // namespace holdfast
