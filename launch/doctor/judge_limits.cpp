#include "base/bytes_text.h"
#include "launch/doctor/judge.h"
#include "launch/doctor/judge_text.h"

namespace holdfast {
namespace {

constexpr std::int64_t kFewestOpenFiles = 256, kFewOpenFiles = 1024;
constexpr std::int64_t kOtherThreads = 8;  // of a rank beside its computing ones: writer, prefetching, those of MPI

/// A value of a host that is a problem there, and what to say of it.
struct Problem {
  Level level;
  std::string check, what, next;
};

bool is_below(std::int64_t limit, std::int64_t needed) { return limit != kUnlimited && limit < needed; }

std::vector<Problem> problems_of(const MachineFacts& machine, std::int64_t ranks, const JobFacts& job) {
  std::vector<Problem> problems;
  const auto add = [&problems](Level level, const char* check, std::string what, const char* next) {
    problems.push_back({level, check, std::move(what), next});
  };
  if (is_below(machine.open_files, kFewOpenFiles))
    add(is_below(machine.open_files, kFewestOpenFiles) ? Level::failure : Level::warning, "limits",
        fmt::format("{} open files", machine.open_files), "ulimit -n 4096, or nofile in /etc/security/limits.conf");
  const std::int64_t shard = job.state_bytes / std::max(1, job.ranks) + job.rank_bytes;
  if (is_below(machine.file_bytes, shard))
    add(Level::failure, "limits",
        fmt::format("files of at most {}, and a shard has {}", bytes_text(static_cast<double>(machine.file_bytes)),
                    bytes_text(static_cast<double>(shard))),
        "ulimit -f unlimited");
  else if (machine.file_bytes != kUnlimited)
    add(Level::warning, "limits", fmt::format("files of at most {}", bytes_text(static_cast<double>(machine.file_bytes))),
        "ulimit -f unlimited");
  if (machine.has_fast_network && machine.locked_bytes != kUnlimited)
    add(Level::warning, "limits",
        fmt::format("{} of locked memory, and there is an InfiniBand adapter", bytes_text(static_cast<double>(machine.locked_bytes))),
        "ulimit -l unlimited, or memlock in /etc/security/limits.conf: without it Open MPI takes TCP, or fails");
  const std::int64_t threads = std::max<std::int64_t>(1, ranks) * (job.threads.value_or(machine.cores) + kOtherThreads);
  if (!machine.is_root && is_below(machine.processes, threads))
    add(Level::failure, "limits", fmt::format("{} processes and threads, and the ranks have about {}", machine.processes, threads),
        "ulimit -u 4096, or nproc in /etc/security/limits.conf");
  if (machine.huge_pages == "never")
    add(Level::warning, "huge pages", "transparent huge pages are off",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled: saves copy faster with them");
  if (!machine.port_error.empty())
    add(Level::failure, "ports", machine.port_error,
        "ip link set lo up; look at net.ipv4.ip_local_port_range and at who holds ports (ss -tan): supervisor and ranks take any free one");
  return problems;
}

}  // namespace

std::vector<HostFinding> judge_limits(const std::vector<HostFacts>& hosts, const JobFacts& job) {
  std::vector<HostFinding> findings;
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> names;  // of the hosts with the same problem
  std::map<std::pair<std::string, std::string>, Problem> problems;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!hosts[i].machine) continue;
    for (const Problem& problem : problems_of(*hosts[i].machine, i < job.ranks_of_host.size() ? job.ranks_of_host[i] : 0, job)) {
      names[{problem.check, problem.what}].push_back(hosts[i].name);
      problems.emplace(std::pair{problem.check, problem.what}, problem);
    }
  }
  for (const auto& [key, problem] : problems)
    findings.push_back(
        {problem.level, problem.check, fmt::format("{}: {}", host_list(names[key], hosts.size()), problem.what), problem.next});
  for (const char* check : {"limits", "huge pages", "ports"})
    if (std::none_of(findings.begin(), findings.end(), [check](const HostFinding& finding) { return finding.check == check; }))
      findings.push_back({Level::ok, check,
                          std::string(check) == "limits"       ? "open files, processes, file size and locked memory suffice"
                          : std::string(check) == "huge pages" ? "transparent ones are to be had"
                                                               : "free ones are to be had, and the loopback interface answers"});
  return findings;
}

}  // namespace holdfast
