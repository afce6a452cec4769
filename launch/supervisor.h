// The driver around Supervision: processes, sockets, signals, timers. One thread.
#pragma once

#include <string>
#include <vector>

#include "launch/launcher.h"
#include "options/run_options.h"

namespace holdfast {

struct SupervisorOptions {
  int ranks = 1;
  Path run_directory;
  RestartOptions restart;
  std::string shim;                   // this program
  std::vector<std::string> command;   // of each rank
  std::vector<std::string> exported;  // -x
};

/// Trains to the end, over restarts. Blocks; returns the program's exit code. Throws Error when another training holds the
/// run directory, or nothing can be started.
int supervise(const SupervisorOptions& options);

}  // namespace holdfast
