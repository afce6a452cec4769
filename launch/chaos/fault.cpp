#include "launch/chaos/fault.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

using Random = std::mt19937_64;
using Struck = std::optional<Strike>;

constexpr auto kStandstill = std::chrono::milliseconds(1500);

struct KnownFault {
  Fault fault;
  std::function<Struck(const Victim&, Random&)> strike;
};

std::size_t below(Random& random, std::size_t count) { return static_cast<std::size_t>(random() % count); }

/// nullopt where there is none, or it has gone.
std::optional<std::pair<int, pid_t>> pick(const std::map<int, pid_t>& from, Random& random) {
  if (from.empty()) return std::nullopt;
  return *std::next(from.begin(), static_cast<std::ptrdiff_t>(below(random, from.size())));
}

auto signal_to_a(std::map<int, pid_t> RunProcesses::*kind, int number) {
  return [kind, number](const Victim& victim, Random& random) -> Struck {
    const auto one = pick(victim.processes.*kind, random);
    if (!one || ::kill(one->second, number) != 0) return std::nullopt;
    return Strike{.ranks = {one->first}, .signal = number};
  };
}

auto signal_to_one_of(std::vector<pid_t> RunProcesses::*kind, int number) {
  return [kind, number](const Victim& victim, Random& random) -> Struck {
    const std::vector<pid_t>& pids = victim.processes.*kind;
    if (pids.empty() || ::kill(pids[below(random, pids.size())], number) != 0) return std::nullopt;
    return Strike{.signal = number};
  };
}

auto signal_to_the_supervisor(int number) {
  return [number](const Victim& victim, Random&) -> Struck {
    if (::kill(victim.supervisor, number) != 0) return std::nullopt;
    return Strike{.signal = number};
  };
}

Struck kill_all_ranks(const Victim& victim, Random&) {
  Strike all{.signal = SIGKILL};
  for (const auto& [rank, pid] : victim.processes.ranks)
    if (::kill(pid, SIGKILL) == 0) all.ranks.insert(rank);
  return all.ranks.empty() ? Struck() : all;
}

Struck kill_a_rank_without_its_guardian(const Victim& victim, Random& random) {
  for (const pid_t guardian : victim.processes.guardians) ::kill(guardian, SIGKILL);
  return signal_to_a(&RunProcesses::ranks, SIGKILL)(victim, random);
}

Struck kill_a_rank_in_a_save(const Victim& victim, Random& random) {
  const Path checkpoints = RunLayout{victim.run}.checkpoints();
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  for (int tries = 0; tries < 1000; ++tries) {
    for (const std::string& name : files->list(checkpoints))
      if (name.find(".pending-") != std::string::npos) {
        Struck struck = signal_to_a(&RunProcesses::ranks, SIGKILL)(victim, random);
        if (struck) struck->note = "while " + name + " was there";
        return struck;
      }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::nullopt;
}

/// All processes of the run at once, the supervisor first, as on a machine that is suspended.
Struck stop_everything_for_a_while(const Victim& victim, Random&) {
  std::vector<pid_t> pids = victim.processes.all();
  pids.insert(pids.begin(), victim.supervisor);
  for (const pid_t pid : pids) ::kill(pid, SIGSTOP);
  std::this_thread::sleep_for(kStandstill);
  for (const pid_t pid : pids) ::kill(pid, SIGCONT);
  return Strike{.signal = SIGSTOP};
}

/// Changes the newest state's file that `choose` finds, by `change`, while the ranks stand still, then kills one of them. There must be
/// another state to fall back to.
Struck damage(const Victim& victim, Random& random, const std::string& ending,
              const std::function<std::string(const Path&, Random&)>& change) {
  const Path checkpoints = RunLayout{victim.run}.checkpoints();
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  for (const auto& [rank, pid] : victim.processes.ranks) ::kill(pid, SIGSTOP);
  const std::vector<CheckpointName> states = list_checkpoints(*files, checkpoints);
  Struck struck;
  if (states.size() >= 2) {
    const Path newest = checkpoints / directory_name(states.back());
    std::string note;
    for (const std::string& name : files->list(newest))
      if (note.empty() && name.ends_with(ending)) note = (newest.filename() / name).string() + change(newest / name, random);
    if (!note.empty()) struck = signal_to_a(&RunProcesses::ranks, SIGKILL)(victim, random);
    if (struck) struck->note = note;
  }
  for (const auto& [rank, pid] : victim.processes.ranks) ::kill(pid, SIGCONT);
  return struck;
}

Struck flip_a_bit_on_disk(const Victim& victim, Random& random) {
  return damage(victim, random, ".h5", [](const Path& path, Random& where) {
    const auto size = static_cast<std::uint64_t>(std::filesystem::file_size(path));
    const auto at = static_cast<off_t>(size / 2 + where() % (size / 2));
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    char byte = 0;
    const bool is_changed = ::pread(fd, &byte, 1, at) == 1 && (byte = static_cast<char>(byte ^ 4), ::pwrite(fd, &byte, 1, at) == 1);
    ::close(fd);
    return is_changed ? fmt::format(": a bit of byte {} is flipped", at) : " could not be changed";
  });
}

Struck truncate_a_shard(const Victim& victim, Random& random) {
  return damage(victim, random, ".h5", [](const Path& path, Random&) {
    const auto size = std::filesystem::file_size(path) / 2;
    std::filesystem::resize_file(path, size);
    return fmt::format(" is cut to {} bytes", size);
  });
}

Struck lose_the_manifest(const Victim& victim, Random& random) {
  return damage(victim, random, "manifest.json", [](const Path& path, Random&) {
    std::filesystem::remove(path);
    return std::string(" is removed");
  });
}

/// Says rubbish to the port that the shims talk to.
Struck knock_on_the_port(const Victim& victim, Random& random) {
  const std::string& address = victim.processes.lease_address;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  sockaddr_in to{.sin_family = AF_INET,
                 .sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))),
                 .sin_addr = {},
                 .sin_zero = {}};
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string rubbish = R"({"hello": {"token": "x", "attempt": 1, "rank": 0, "host": "x", "pid": 1}})"
                        "\n";
  for (std::size_t i = 0; i < 4096; ++i) rubbish.push_back(static_cast<char>(random()));
  const bool is_said =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 && ::send(fd, rubbish.data(), rubbish.size(), MSG_NOSIGNAL) > 0;
  ::close(fd);
  return is_said ? Struck(Strike{}) : std::nullopt;
}

const auto kKnown = std::to_array<KnownFault>({
    {{"kill_rank", "SIGKILL to a rank", Effect::rank_dies}, signal_to_a(&RunProcesses::ranks, SIGKILL)},
    {{"segv_rank", "SIGSEGV to a rank", Effect::rank_dies}, signal_to_a(&RunProcesses::ranks, SIGSEGV)},
    {{"abort_rank", "SIGABRT to a rank", Effect::rank_dies}, signal_to_a(&RunProcesses::ranks, SIGABRT)},
    {{"kill_all_ranks", "SIGKILL to all ranks at once", Effect::rank_dies}, kill_all_ranks},
    {{"kill_in_save", "SIGKILL to a rank while a checkpoint is being written", Effect::rank_dies}, kill_a_rank_in_a_save},
    {{"kill_unguarded", "SIGKILL to all guardians, then to a rank", Effect::rank_dies}, kill_a_rank_without_its_guardian},
    {{"stop_rank", "SIGSTOP to a rank", Effect::rank_hangs}, signal_to_a(&RunProcesses::ranks, SIGSTOP)},
    {{"term_rank", "SIGTERM to a rank behind the supervisor's back", Effect::ranks_stop}, signal_to_a(&RunProcesses::ranks, SIGTERM)},
    {{"kill_shim", "SIGKILL to a shim", Effect::shim_is_lost}, signal_to_a(&RunProcesses::shims, SIGKILL)},
    {{"kill_guardian", "SIGKILL to a guardian", Effect::nothing}, signal_to_one_of(&RunProcesses::guardians, SIGKILL)},
    {{"kill_mpirun", "SIGKILL to mpirun", Effect::launcher_dies}, signal_to_one_of(&RunProcesses::launchers, SIGKILL)},
    {{"stop_mpirun", "SIGSTOP to mpirun", Effect::launcher_continues}, signal_to_one_of(&RunProcesses::launchers, SIGSTOP)},
    {{"kill_supervisor", "SIGKILL to holdfast run, which is started again", Effect::supervisor_dies}, signal_to_the_supervisor(SIGKILL)},
    {{"preempt", "SIGTERM to holdfast run, which is started again", Effect::run_stops}, signal_to_the_supervisor(SIGTERM)},
    {{"standstill", "all processes stand still for 1.5 s", Effect::nothing}, stop_everything_for_a_while},
    {{"stranger", "rubbish on the supervisor's port", Effect::nothing}, knock_on_the_port},
    {{"flip_bit", "a bit of the newest checkpoint is flipped, and a rank killed", Effect::rank_dies}, flip_a_bit_on_disk},
    {{"truncate_shard", "a shard of the newest checkpoint is cut in half, and a rank killed", Effect::rank_dies}, truncate_a_shard},
    {{"lose_manifest", "the newest checkpoint loses its manifest, and a rank is killed", Effect::rank_dies}, lose_the_manifest},
});

const auto kFaults = [] {
  std::array<Fault, kKnown.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = kKnown[i].fault;
  return all;
}();

}  // namespace

std::span<const Fault> faults() { return kFaults; }

std::optional<Strike> strike(const Fault& fault, const Victim& victim, std::mt19937_64& random) {
  const auto index = static_cast<std::size_t>(&fault - kFaults.data());
  std::optional<Strike> struck = kKnown.at(index).strike(victim, random);
  if (struck) struck->fault = &fault;
  return struck;
}

}  // namespace holdfast
