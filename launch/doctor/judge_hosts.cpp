#include <cmath>

#include "base/bytes_text.h"
#include "launch/doctor/judge.h"
#include "launch/doctor/judge_text.h"

namespace holdfast {
namespace {

constexpr double kSkewedSeconds = 0.5;
constexpr double kSkewThatOthersRefuse = 300;             // Munge and Kerberos, and with them Slurm
constexpr double kRuntimeBytes = 512.0 * (1 << 20);       // of a rank, before it has any state: LibTorch and MPI
constexpr double kSharedBytesPerRank = 16.0 * (1 << 20);  // that Open MPI takes of /dev/shm

using Part = std::string VersionFacts::*;
constexpr std::pair<const char*, Part> kParts[] = {{"holdfast", &VersionFacts::holdfast}, {"holdfast-train", &VersionFacts::trainer},
                                                   {"LibTorch", &VersionFacts::libtorch}, {"MPI", &VersionFacts::mpi},
                                                   {"HDF5", &VersionFacts::hdf5},         {"build", &VersionFacts::build}};

std::string threads_text(std::int64_t ranks, std::int64_t threads) {
  return fmt::format("{} {} of {} {}", ranks, ranks == 1 ? "rank" : "ranks", threads, threads == 1 ? "thread" : "threads");
}

}  // namespace

std::vector<HostFinding> judge_launch(const std::vector<HostFacts>& hosts) {
  std::vector<HostFinding> findings;
  double longest = 0;
  for (const HostFacts& host : hosts) {
    longest = std::max(longest, host.launch_seconds);
    if (!host.launch_error.empty())
      findings.push_back({Level::failure, "launch", fmt::format("{}: {}", host.name, host.launch_error),
                          "make programs start there as mpirun starts them (ssh without a password, mpirun and holdfast at the same path, "
                          "a way back to this host), or leave the host out"});
  }
  if (findings.empty())
    findings.push_back(
        {Level::ok, "launch",
         fmt::format("{} within {}", hosts.size() == 1 ? "this host answers" : fmt::format("all {} hosts answer", hosts.size()),
                     seconds_text(longest))});
  return findings;
}

std::vector<HostFinding> judge_versions(const std::vector<HostFacts>& hosts) {
  std::vector<HostFinding> findings;
  std::string same;
  for (const auto& [error, names] : by_text(hosts, [](const HostFacts& host) { return host.versions ? host.versions->error : ""; }))
    findings.push_back(
        {Level::failure, "versions", fmt::format("{}: {}", host_list(names, hosts.size()), error), "install the same Holdfast there"});
  const auto compare = [&](const std::string& name, const std::map<std::string, std::vector<std::string>>& versions, Level level,
                           const std::string& next) {
    if (versions.size() == 1) {
      const std::string& version = versions.begin()->first;  // "Open MPI v4.1.4", "Linux 6.1" say themselves what they are
      same += fmt::format("{}{}{}", same.empty() ? "" : ", ", version.find(' ') == version.npos ? name + " " : "", version);
    }
    if (versions.size() < 2) return;
    std::string text;
    for (const auto& [version, names] : versions)
      text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", version, host_list(names, hosts.size()));
    findings.push_back({level, "versions", fmt::format("{}: {}", name, text), next});
  };
  for (const auto& [name, part] : kParts)
    compare(name, by_text(hosts, [part = part](const HostFacts& host) { return host.versions ? (*host.versions).*part : ""; }),
            Level::failure, "install the same build everywhere");
  compare("instruction set", by_text(hosts, [](const HostFacts& host) { return host.versions ? host.versions->instruction_set : ""; }),
          Level::warning,
          "set ATEN_CPU_CAPABILITY to the smaller one everywhere: another instruction set rounds differently, and a run that moves "
          "among such hosts does not keep its bits");
  compare("kernel", by_text(hosts, [](const HostFacts& host) { return host.machine ? host.machine->kernel : ""; }), Level::warning,
          "nothing that is known depends on it; the same one everywhere leaves less to wonder about");
  if (findings.empty()) findings.push_back({Level::ok, "versions", same.empty() ? "not known" : same});
  return findings;
}

std::vector<HostFinding> judge_clocks(const std::vector<HostFacts>& hosts) {
  std::vector<HostFinding> findings;
  double largest = 0;
  for (const HostFacts& host : hosts) {
    if (!host.clock) continue;
    const double skew = std::max(0.0, std::abs(host.clock->offset_seconds) - host.clock->uncertainty_seconds);
    largest = std::max(largest, std::abs(host.clock->offset_seconds) + host.clock->uncertainty_seconds);
    if (skew < kSkewedSeconds) continue;
    findings.push_back(
        {skew < kSkewThatOthersRefuse ? Level::warning : Level::failure, "clock",
         fmt::format("the clock of {} is {} {}", host.name, seconds_text(skew), host.clock->offset_seconds > 0 ? "ahead" : "behind"),
         "synchronise it (chrony, ntpd): times in logs and records of different hosts cannot be compared"});
  }
  if (findings.empty() && hosts.size() > 1)
    findings.push_back({Level::ok, "clock", fmt::format("the same within {}", seconds_text(largest))});
  if (findings.empty()) findings.push_back({Level::ok, "clock", "one host, one clock"});
  return findings;
}

std::vector<HostFinding> judge_machines(const std::vector<HostFacts>& hosts, const JobFacts& job) {
  std::vector<HostFinding> findings;
  std::string sizes;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::int64_t ranks = i < job.ranks_of_host.size() ? job.ranks_of_host[i] : 0;
    if (!hosts[i].machine || ranks == 0) continue;
    const MachineFacts& machine = *hosts[i].machine;
    const std::int64_t threads = job.threads.value_or(std::max<std::int64_t>(1, machine.cores / ranks));
    const std::string what = threads_text(ranks, threads);
    sizes =
        fmt::format("{} on {} cores, {} of memory free", what, machine.cores, bytes_text(static_cast<double>(machine.free_memory_bytes)));
    if (ranks * threads > machine.cores)
      findings.push_back(
          {Level::warning, "cores", fmt::format("{}: {} on {} cores", hosts[i].name, what, machine.cores),
           "give fewer ranks, or a smaller trainer.threads_per_rank: they take turns, and a collective waits for the last one"});
    // The state, its gradients (about half of it at most) and the copy that a save makes of this rank's part.
    const double needed = static_cast<double>(ranks) * (kRuntimeBytes + 2.0 * static_cast<double>(job.state_bytes + job.rank_bytes));
    if (needed > static_cast<double>(machine.free_memory_bytes))
      findings.push_back(
          {needed > static_cast<double>(machine.memory_bytes) ? Level::failure : Level::warning, "memory",
           fmt::format("{}: {} take about {}, {} of {} are free", hosts[i].name, what, bytes_text(needed),
                       bytes_text(static_cast<double>(machine.free_memory_bytes)), bytes_text(static_cast<double>(machine.memory_bytes))),
           "give it fewer ranks, or end what else takes memory there"});
    if (static_cast<double>(machine.shared_memory_bytes) < static_cast<double>(ranks) * kSharedBytesPerRank)
      findings.push_back(
          {Level::warning, "memory",
           fmt::format("{}: {} are free in /dev/shm", hosts[i].name, bytes_text(static_cast<double>(machine.shared_memory_bytes))),
           "give the container a larger /dev/shm (docker run --shm-size): ranks of one host talk through it"});
  }
  if (findings.empty()) findings.push_back({Level::ok, "cores", sizes.empty() ? "not known" : sizes});
  return findings;
}

std::vector<HostFinding> judge_gpus(const std::vector<HostFacts>& hosts, const JobFacts& job) {
  const auto drivers = by_text(hosts, [](const HostFacts& host) { return host.machine ? host.machine->gpu_driver : ""; });
  if (drivers.empty()) return {{Level::ok, "gpu", "no NVIDIA driver on any host; ranks compute on CPUs"}};
  std::string text;
  for (const auto& [driver, names] : drivers)
    text += fmt::format("{}driver {} on {}", text.empty() ? "" : ", ", driver, host_list(names, hosts.size()));
  if (job.is_on_cpu) return {{Level::ok, "gpu", text + "; not used (run.device: cpu)"}};
  return {{Level::warning, "gpu", text + "; what computes on GPUs has not been tried on one yet",
           "run scripts/gpu_check.sh on such a host first (docs/gpus.md), or set run.device: cpu"}};
}

}  // namespace holdfast
