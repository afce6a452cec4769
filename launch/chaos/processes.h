// The processes of a running attempt, by what they are: who is there to be struck. Found from outside, by what stands in their
// environments; the supervisor, which started them, is not among them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_system.h"

namespace holdfast {

struct RunProcesses {
  std::map<int, pid_t> ranks, shims;  // by rank
  std::vector<pid_t> guardians, launchers;
  std::string lease_address;  // where the shims reach the supervisor; empty: there is no shim

  std::vector<pid_t> all() const;
};

/// Of the run in directory `run`, on this host.
RunProcesses processes_of(const Path& run);

}  // namespace holdfast
