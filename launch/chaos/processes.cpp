#include "launch/chaos/processes.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/environment.h"
#include "base/process_files.h"
#include "launch/attempt/sweep.h"

namespace holdfast {
namespace {

bool is_shim(pid_t pid) { return process_file(pid, "cmdline").find(std::string("\0rank\0--\0", 9)) != std::string::npos; }

}  // namespace

std::vector<pid_t> RunProcesses::all() const {
  std::vector<pid_t> pids = guardians;
  pids.insert(pids.end(), launchers.begin(), launchers.end());
  for (const auto* one : {&ranks, &shims})
    for (const auto& [rank, pid] : *one) pids.push_back(pid);
  return pids;
}

RunProcesses processes_of(const Path& run) {
  RunProcesses found;
  std::map<pid_t, int> rank_of_shim;
  const std::vector<pid_t> pids = processes_with(environment::kRunDirectory, run.string());
  for (const pid_t pid : pids) {
    const std::string name = process_file(pid, "comm");
    const int rank = std::atoi(environment_value(pid, "OMPI_COMM_WORLD_RANK").value_or("-1").c_str());
    if (name == "holdfast-guard\n")
      found.guardians.push_back(pid);
    else if (name == "mpirun\n" || name == "orterun\n" || name == "prterun\n")
      found.launchers.push_back(pid);
    else if (rank >= 0 && is_shim(pid)) {
      rank_of_shim[found.shims[rank] = pid] = rank;
      found.lease_address = environment_value(pid, environment::kSupervisor).value_or("");
    }
  }
  for (const pid_t pid : pids) {
    const auto shim = rank_of_shim.find(parent_of(pid));
    if (shim == rank_of_shim.end()) continue;
    if (std::find(found.guardians.begin(), found.guardians.end(), pid) == found.guardians.end() && !is_shim(pid))
      found.ranks[shim->second] = pid;
  }
  return found;
}

}  // namespace holdfast
