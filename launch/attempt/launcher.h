// Starting mpirun: the command line and the process. Its exit code is never trusted; only its end is of interest.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_system.h"
#include "launch/hosts/placement.h"

namespace holdfast {

struct LaunchPlan {
  int ranks = 1;
  Placement hosts = {};                              // who takes how many of them; empty: this host takes all
  std::string agent = {};                            // what starts a program on another host; empty: mpirun's own choice
  std::string shim;                                  // the `holdfast` program; empty: the command runs without a shim
  std::vector<std::string> command;                  // what each rank runs
  std::map<std::string, std::string> variables;      // HOLDFAST_…, for every rank
  std::map<std::string, std::string> own_variables;  // of mpirun alone (which passes its OMPI_… on by itself)
  std::vector<std::string> exported;                 // further variables of this process, by name
  Path log;                                          // mpirun's own output
};

/// The words after "mpirun".
std::vector<std::string> mpirun_arguments(const LaunchPlan& plan, int usable_cores);

/// Starts mpirun in a process group of its own (the terminal's Ctrl-C does not reach it), killed when this process dies. Throws
/// Error when there is no mpirun on PATH, naming the package.
pid_t start_mpirun(const LaunchPlan& plan);

/// Starts the plan's command alone, on this host, in the same way.
pid_t start_alone(const LaunchPlan& plan);

}  // namespace holdfast
