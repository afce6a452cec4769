#include "apps/commands/allocation.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file_system.h"
#include "launch/slurm/slurm_allocation.h"

namespace holdfast {

std::vector<Host> allocated_hosts(const std::string& command, const std::string& hosts, const std::string& hostfile) {
  if (!hosts.empty() && !hostfile.empty())
    throw UsageError(fmt::format("{}: --hosts and --hostfile say the same\n  next: give one of them", command));
  if (!hosts.empty()) return parse_hosts(hosts);
  if (!hostfile.empty()) return parse_hostfile(read_text(*make_posix_file_system(), hostfile), hostfile);
  return slurm_allocation();
}

void require_slots(const std::vector<Host>& hosts, int ranks) {
  const int slots = slots_of(hosts);
  if (!hosts.empty() && ranks > slots)
    throw UsageError(
        fmt::format("-n {}: {} have {} slots\n  next: -n {} or less, or more slots: HOST:SLOTS", ranks, to_string(hosts), slots, slots));
}

}  // namespace holdfast
