#include <set>

#include "base/bytes_text.h"
#include "launch/doctor/judge.h"
#include "launch/doctor/judge_text.h"

namespace holdfast {
namespace {

constexpr double kLateSeconds = 0.5;      // until others see what one has done
constexpr double kSlowSyncSeconds = 0.1;  // each line of the journal waits for one
constexpr double kSlowBytesPerSecond = 50.0 * (1 << 20);
constexpr double kLongSaveSeconds = 60;
constexpr double kRoomToSpare = 1.2;  // logs, metrics, what a killed save has left

HostFinding speed_finding(const std::vector<HostFacts>& hosts, const JobFacts& job) {
  double together = 0, slowest = 0;
  std::string slowest_host;
  std::int64_t writers = 0;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!hosts[i].disk || hosts[i].disk->written_bytes == 0) continue;
    const double speed = static_cast<double>(hosts[i].disk->written_bytes) / std::max(1e-9, hosts[i].disk->write_seconds);
    together += speed;  // all of them were writing at the same time
    if (writers++ == 0 || speed < slowest) slowest = speed, slowest_host = hosts[i].name;
  }
  if (writers == 0) return {Level::ok, "write speed", "not measured"};
  std::string text = fmt::format("{}/s", bytes_text(together));
  if (writers > 1) text += fmt::format(" by {} hosts together, the slowest {} with {}/s", writers, slowest_host, bytes_text(slowest));
  const double bytes = static_cast<double>(job.state_bytes) + static_cast<double>(job.ranks) * static_cast<double>(job.rank_bytes);
  if (job.state_bytes > 0) text += fmt::format("; a checkpoint of {} takes {}", bytes_text(bytes), seconds_text(bytes / together));
  const bool is_slow = together < kSlowBytesPerSecond || bytes / together > kLongSaveSeconds;
  return {is_slow ? Level::warning : Level::ok, "write speed", text,
          is_slow ? "save less often (checkpoints.N.every_steps), or give a faster file system: a save that is not over when the next one "
                    "is due holds "
                    "the training up"
                  : ""};
}

std::vector<HostFinding> space_findings(const std::vector<HostFacts>& hosts, const JobFacts& job) {
  std::vector<HostFinding> findings;
  std::int64_t least = -1;
  for (const HostFacts& host : hosts)
    if (host.disk && host.disk->error.empty()) least = least < 0 ? host.disk->free_bytes : std::min(least, host.disk->free_bytes);
  if (least < 0) return {{Level::warning, "free space", "not known", "see above"}};
  const auto free = static_cast<double>(least), needed = static_cast<double>(job.most_bytes);
  const std::string text = fmt::format("{} are free", bytes_text(free));
  if (job.most_bytes == 0)
    return {{Level::ok, "free space", text + (job.state_bytes == 0 ? "" : "; the run keeps no bound on its states")}};
  const std::string against = fmt::format("{}, and all states at one time take up to {}", text, bytes_text(needed));
  if (free < needed)
    findings.push_back(
        {Level::failure, "free space", against, "keep fewer states (checkpoints.N.limit or top_k), or give a larger file system"});
  else if (free < needed * kRoomToSpare)
    findings.push_back({Level::warning, "free space", against, "make some room: logs, metrics and what a killed save leaves come on top"});
  else
    findings.push_back({Level::ok, "free space", against});
  for (const auto& [few, names] : by_text(hosts, [](const HostFacts& host) {
         return host.disk && host.disk->free_files >= 0 && host.disk->free_files < 1000
                    ? fmt::format("{} more files", host.disk->free_files)
                    : "";
       }))
    findings.push_back({Level::warning, "free space", fmt::format("{} can be made there", few),
                        "remove files: the file system has a limit on their number"});
  return findings;
}

}  // namespace

std::vector<HostFinding> judge_sharing(const std::vector<HostFacts>& hosts) {
  std::vector<HostFinding> findings;
  double longest = 0;
  std::vector<std::string> lockers, without_links;
  for (const HostFacts& host : hosts) {
    if (!host.sharing) continue;
    longest = std::max(longest, host.sharing->seconds);
    if (host.sharing->has_lock) lockers.push_back(host.name);
    if (!host.sharing->problem.empty())
      findings.push_back({Level::failure, "run directory", fmt::format("{}: {}", host.name, host.sharing->problem),
                          hosts.size() == 1 ? "give a --run-dir that can be written"
                                            : "give a --run-dir on a file system that all hosts have mounted at the same path"});
    else if (!host.sharing->follows_links)
      without_links.push_back(host.name);
  }
  if (!without_links.empty())
    findings.push_back({Level::warning, "run directory",
                        fmt::format("{}: symbolic links do not show what they should", host_list(without_links, hosts.size())),
                        "the run goes without `last` and the names of entries; its states are saved and resumed from"});
  if (!lockers.empty())
    findings.push_back({Level::warning, "run directory",
                        fmt::format("a lock that one host holds does not keep out {}", host_list(lockers, hosts.size())),
                        "mount it with locks between hosts (NFS: version 4; Lustre: flock): without them nothing stops a second `holdfast "
                        "run` elsewhere"});
  if (longest > kLateSeconds && findings.empty())
    findings.push_back({Level::warning, "run directory",
                        fmt::format("what one host does is seen by the others only after {}", seconds_text(longest)),
                        "mount it without caching of attributes (NFS: noac, or a small acregmax)"});
  if (findings.empty())
    findings.push_back(
        {Level::ok, "run directory",
         hosts.size() == 1
             ? "can be written, renamed in, linked, locked and removed from"
             : fmt::format("one and the same on all {} hosts: what one writes, renames, links, locks and removes the others see within {}",
                           hosts.size(), seconds_text(longest))});
  return findings;
}

std::vector<HostFinding> judge_disks(const std::vector<HostFacts>& hosts, const JobFacts& job) {
  std::vector<HostFinding> findings;
  std::set<std::string> kinds;
  double slowest_sync = 0;
  bool has_direct_io = true;
  for (const HostFacts& host : hosts) {
    if (!host.disk) continue;
    if (!host.disk->error.empty())
      findings.push_back({Level::failure, "disk", fmt::format("{}: {}", host.name, host.disk->error),
                          "make it writable there, or give another --run-dir"});
    kinds.insert(host.disk->kind);
    slowest_sync = std::max(slowest_sync, host.disk->sync_seconds);
    has_direct_io = has_direct_io && host.disk->takes_direct_io;
  }
  std::string names;
  for (const std::string& kind : kinds) names += (names.empty() ? "" : " and ") + kind;
  if (kinds.contains("tmpfs") || kinds.contains("ramfs"))
    findings.push_back({Level::warning, "disk", names + " is memory: checkpoints go with the host", "give a --run-dir on a disk"});
  if (slowest_sync > kSlowSyncSeconds)
    findings.push_back({Level::warning, "disk", fmt::format("fsync of a small file takes {}", seconds_text(slowest_sync)),
                        "each start, failure and commit waits for a few of them; give a --run-dir elsewhere if that is long"});
  if (findings.empty() && !kinds.empty())
    findings.push_back({Level::ok, "disk",
                        fmt::format("{}, fsync {}, {}", names, seconds_text(slowest_sync),
                                    has_direct_io ? "direct I/O" : "no direct I/O (through the page cache then)")});
  if (kinds.empty()) findings.push_back({Level::warning, "disk", "not measured: no host answered in time", "see the run directory above"});
  if (std::none_of(findings.begin(), findings.end(), [](const HostFinding& finding) { return finding.level == Level::failure; }) &&
      !kinds.empty()) {
    findings.push_back(speed_finding(hosts, job));
    for (HostFinding& finding : space_findings(hosts, job)) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace holdfast
