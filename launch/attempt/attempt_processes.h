// What the processes of an attempt hang on: mpirun, the leases of the shims, the directory of mpirun's files; and how they are started.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <sys/types.h>

#include "launch/attempt/session_directory.h"
#include "launch/hosts/host_watch.h"
#include "launch/lease/leases.h"
#include "launch/supervisor.h"

namespace holdfast {

struct AttemptProcesses {
  std::string tag;     // in the environment of each (HOLDFAST_ATTEMPT_TAG)
  pid_t launcher = 0;  // 0: it has ended
  std::unique_ptr<SessionDirectory> session;
  std::unique_ptr<Leases> leases;
};

struct AttemptStart {
  int attempt = 1, first_attempt = 1;  // the latter: of this `holdfast run`
  std::string token, tag;
  double began_at = 0;            // this `holdfast run`, in seconds since 1970
  std::int64_t reached_step = 0;  // by earlier attempts
  Before before = Before::over;   // runs: the ranks are to stand by
};

/// Starts mpirun for the ranks that `hosts` has placed; does not wait for them. Throws Error when there is no mpirun, StorageError.
AttemptProcesses start_attempt(const AttemptStart& start, const SupervisorOptions& options, const HostWatch& hosts, FileSystem& files,
                               const Clock& clock, Leases::Handlers handlers);

}  // namespace holdfast
