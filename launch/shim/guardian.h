// The guardian of a rank: a small process beside the shim that outlives it. When the shim is gone, for whatever reason, it
// kills the rank's process group and everything that the rank has started, and ends.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/file_system.h"

namespace holdfast {

class Guardian {
 public:
  /// Forks it. `rank_tag`: the value of HOLDFAST_RANK_TAG in everything that it will sweep. `session`, on another host than the
  /// supervisor's: the directory that it removes, after it has seen that mpirun's daemon, which is this process's parent, has ended, or
  /// has ended it. Call while single-threaded.
  explicit Guardian(const std::string& rank_tag, const Path& session = {});
  /// Lets it do its work now; returns at once.
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  /// From now on it kills this process group too.
  void watch(pid_t process_group);
  /// The group is dead: its number may become another's.
  void forget_group() noexcept;

 private:
  bool tell(pid_t process_group) noexcept;
  int pipe_ = -1;
};

}  // namespace holdfast
