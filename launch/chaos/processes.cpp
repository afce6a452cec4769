#include "launch/chaos/processes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/environment.h"
#include "launch/sweep.h"

namespace holdfast {
namespace {

std::string text_of(pid_t pid, const char* file) {
  std::ifstream stream(fmt::format("/proc/{}/{}", pid, file), std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What stands behind "NAME=" in a block of an environment.
std::string value_of(const std::string& environment_block, const std::string& name) {
  const std::string entry = std::string(1, '\0') + name + "=", block = std::string(1, '\0') + environment_block;
  const std::size_t at = block.find(entry);
  return at == std::string::npos ? "" : block.substr(at + entry.size(), block.find('\0', at + entry.size()) - at - entry.size());
}

/// The number behind `key`, which is at the beginning of a line or behind a 0; -1: it is not there.
int number_behind(const std::string& text, const std::string& key) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1))
    if (at == 0 || text[at - 1] == '\0' || text[at - 1] == '\n') return std::atoi(text.c_str() + at + key.size());
  return -1;
}

bool is_shim(pid_t pid) { return text_of(pid, "cmdline").find(std::string("\0rank\0--\0", 9)) != std::string::npos; }

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
    const std::string name = text_of(pid, "comm");
    const int rank = number_behind(text_of(pid, "environ"), "OMPI_COMM_WORLD_RANK=");
    if (name == "holdfast-guard\n")
      found.guardians.push_back(pid);
    else if (name == "mpirun\n" || name == "orterun\n" || name == "prterun\n")
      found.launchers.push_back(pid);
    else if (rank >= 0 && is_shim(pid)) {
      rank_of_shim[found.shims[rank] = pid] = rank;
      found.lease_address = value_of(text_of(pid, "environ"), environment::kSupervisor);
    }
  }
  for (const pid_t pid : pids) {
    const auto shim = rank_of_shim.find(number_behind(text_of(pid, "status"), "PPid:\t"));
    if (shim == rank_of_shim.end()) continue;
    if (std::find(found.guardians.begin(), found.guardians.end(), pid) == found.guardians.end() && !is_shim(pid))
      found.ranks[shim->second] = pid;
  }
  return found;
}

}  // namespace holdfast
