// What the processes of an attempt hang on: mpirun, the leases of the shims, the directory of mpirun's files.
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include "launch/leases.h"
#include "launch/session_directory.h"

namespace holdfast {

struct AttemptProcesses {
  std::string tag;     // in the environment of each (HOLDFAST_ATTEMPT_TAG)
  pid_t launcher = 0;  // 0: it has ended
  std::unique_ptr<SessionDirectory> session;
  std::unique_ptr<Leases> leases;
};

}  // namespace holdfast
