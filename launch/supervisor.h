// The driver around Supervision: processes, sockets, signals, timers. One thread.
#pragma once

#include <string>
#include <vector>

#include "launch/attempt/launcher.h"
#include "launch/hosts/host_list.h"
#include "options/run_options.h"

namespace holdfast {

struct SupervisorOptions {
  int ranks = 1;
  std::vector<Host> hosts;  // that may be used; empty: this one alone, with all ranks
  std::string agent;        // what starts programs on other hosts; empty: mpirun's choice
  Path run_directory;
  RestartOptions restart;
  HooksOptions hooks;
  std::string shim;                   // this program
  std::vector<std::string> command;   // of each rank
  std::vector<std::string> exported;  // -x
};

/// Trains to the end, over restarts. Blocks; returns the program's exit code. Throws Error when another training holds the
/// run directory, or nothing can be started.
int supervise(const SupervisorOptions& options);

}  // namespace holdfast
