#include "launch/doctor/examination.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "launch/attempt/sweep.h"
#include "launch/doctor/host_links.h"
#include "launch/doctor/pairs.h"
#include "launch/doctor/sharing.h"
#include "launch/hosts/own_addresses.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr double kLaunchSeconds = 8;  // together with the others at most 20
constexpr double kMachineSeconds = 3;
constexpr double kProgramSeconds = 8;  // LibTorch's first loading from a slow disk; less where the launch took long
constexpr double kAnswerSeconds = 0.5;
constexpr double kAllSeconds = 18;
constexpr double kLeastPairsSeconds = 2;
constexpr double kDiskSeconds = 5;
constexpr std::int64_t kDiskBytes = std::int64_t{64} << 20;
constexpr double kSweepSeconds = 1;
constexpr int kClockQuestions = 5;

/// nullopt: a holdfast of another version says something else there.
template <class Facts>
std::optional<Facts> facts_from(const json& answer) try {
  return answer.template get<Facts>();
} catch (const json::exception&) {
  return std::nullopt;
}

class Examiner {
 public:
  explicit Examiner(const ExaminationOptions& options)
      : options_(options),
        has_other_hosts_(std::any_of(options.programs.hosts.begin(), options.programs.hosts.end(),
                                     [](const Host& host) { return !is_this_host(host.name); })),
        token_(random_token()),
        directory_(options.run_directory / ("doctor-" + token_.substr(0, 12))),
        starter_(options.programs, scratch_.path()),
        links_(clock_, token_, has_other_hosts_ ? Reach::every_host : Reach::this_host) {}

  Examination run() {
    start_agents();
    links_.wait_for_agents(kLaunchSeconds, [this](int host) { ask_programs(host); });
    note_launches();
    ask();
    links_.close(1);
    place_ranks();
    merge_this_host();
    talk();
    examination_.seconds = clock_.seconds() - started_at_;
    return std::move(examination_);
  }

 private:
  /// Number 0 is the supervisor's own place; those of the ranks follow.
  void start_agents() {
    const std::string addresses = addresses_for(options_.programs.hosts, links_.port());
    const auto orders = [this, &addresses](int number) { return AgentOrders{addresses, token_, number, directory_}; };
    links_.add(starter_.start_agent_here({links_.address(), token_, 0, directory_}), starter_.agent_log(0));
    const std::vector<Host> here = {{.name = "", .slots = options_.ranks}};
    try {
      for (const Host& host : options_.programs.hosts.empty() ? here : options_.programs.hosts) {
        const int number = static_cast<int>(links_.size());
        links_.add(starter_.start_agent_on(host.name, orders(number)), starter_.agent_log(number));
      }
    } catch (const Error& error) {  // no mpirun, which is what a person would want to know of
      launcher_error_ = error.what();
    }
  }

  double left() const { return kAllSeconds - (clock_.seconds() - started_at_); }
  /// Between `least` and `most`, so that the ranks can still talk afterwards.
  double until_pairs(double least, double most) const {
    return std::clamp(left() - kPairsStartSeconds - pairs_seconds(options_.ranks), least, most);
  }

  /// LibTorch is slow to load, from a cold disk above all: asked first, as soon as a host is there, and waited for last.
  void ask_programs(int host) {
    const double seconds = until_pairs(2, kProgramSeconds);
    programs_end_ = std::max(programs_end_, clock_.seconds() + seconds + kAnswerSeconds);
    if (host == 0) sizes_ = post_sizes(seconds);
    if (host > 0 || (has_other_hosts_ && !is_a_ranks_host(host_name())))  // and not twice on one host
      versions_.push_back(
          links_.post({host}, {{"ask", "versions"}, {"trainer", options_.programs.trainer.string()}, {"seconds", seconds}}));
  }

  bool is_a_ranks_host(const std::string& name) const {
    const std::vector<Host>& hosts = options_.programs.hosts;
    return hosts.empty() || std::any_of(hosts.begin(), hosts.end(), [&name](const Host& host) { return is_same_host(host.name, name); });
  }

  void note_launches() {
    for (int host = 0; host < static_cast<int>(links_.size()); ++host) {
      HostFacts facts{.name = host == 0                         ? host_name()
                              : options_.programs.hosts.empty() ? "ranks' host"
                                                                : options_.programs.hosts[static_cast<std::size_t>(host - 1)].name,
                      .launch_seconds = links_.launch_seconds(host)};
      if (links_.is_there(host))
        there_.push_back(host);
      else
        facts.launch_error = links_.launch_error(host);
      examination_.hosts.push_back(std::move(facts));
    }
    if (!launcher_error_.empty()) examination_.hosts.push_back({.name = "ranks' host", .launch_error = launcher_error_});
  }

  void ask() {
    const int machine = links_.post(there_, {{"ask", "machine"}});
    take(machine, kMachineSeconds, &HostFacts::machine);
    ask_clocks();
    if (!there_.empty()) ask_storage();
    for (const int versions : versions_) take(versions, programs_end_ - clock_.seconds(), &HostFacts::versions);
    take_sizes(sizes_, programs_end_ - clock_.seconds());
    if (!options_.programs.hosts.empty()) return;
    for (HostFacts& host : examination_.hosts)
      if (host.machine) host.name = host.machine->host;
  }

  int post_sizes(double seconds) {
    if (options_.describe.empty()) return 0;
    std::vector<std::string> words = {options_.programs.trainer.string()};
    words.insert(words.end(), options_.describe.begin(), options_.describe.end());
    return links_.post({0}, {{"ask", "run"}, {"words", words}, {"seconds", seconds}});
  }

  void take_sizes(int question, double seconds) {
    if (question == 0) return;
    const std::map<int, json> answers = links_.collect(question, seconds);
    const json answer = answers.contains(0) ? answers.at(0) : json::object();
    const std::string output = answer.value("output", "");
    const std::size_t begin = output.find('{');
    const json sizes = begin == output.npos ? json() : json::parse(output.substr(begin), nullptr, /*allow_exceptions=*/false);
    if (answer.value("exit_code", 1) == 0 && sizes.is_object())
      options_.take_sizes(sizes, examination_.job);
    else if (const int error = answer.value("start_error", 0); error != 0)
      examination_.job_error = fmt::format("cannot run {}: {}", options_.programs.trainer.string(), std::strerror(error));
    else
      examination_.job_error = output.empty() ? "the trainer did not answer in time" : output.substr(0, output.find_last_not_of('\n') + 1);
  }

  template <class Facts>
  void take(int question, double seconds, std::optional<Facts> HostFacts::*part) {
    for (const auto& [host, answer] : links_.collect(question, seconds))
      if (!answer.contains("error") || answer.size() > 1)
        examination_.hosts[static_cast<std::size_t>(host)].*part = facts_from<Facts>(answer);
  }

  /// The shortest round trip tells most.
  void ask_clocks() {
    for (const int host : there_)
      for (int i = 0; i < kClockQuestions && examination_.hosts[static_cast<std::size_t>(host)].machine; ++i) {  // else it answers nothing
        const double before = clock_.unix_seconds(), start = clock_.seconds();
        const std::map<int, json> answers = links_.ask({host}, {{"ask", "clock"}}, 1);
        const double trip = clock_.seconds() - start;
        if (!answers.contains(host)) break;
        auto& known = examination_.hosts[static_cast<std::size_t>(host)].clock;
        if (!known || trip / 2 < known->uncertainty_seconds)
          known = ClockFacts{answers.at(host).value("unix_seconds", 0.0) - before - trip / 2, trip / 2};
      }
  }

  void ask_storage() {
    for (auto& [host, facts] : check_sharing(links_, there_, directory_, token_))
      examination_.hosts[static_cast<std::size_t>(host)].sharing = facts;
    std::vector<int> writers;
    for (const int host : there_) {
      const auto& sharing = examination_.hosts[static_cast<std::size_t>(host)].sharing;
      if (sharing && sharing->problem.empty() && (host > 0 || there_.size() == 1)) writers.push_back(host);
    }
    if (writers.empty()) return;
    const int question = links_.post(writers, {{"ask", "disk"}, {"directory", directory_.string()}, {"bytes", kDiskBytes}});
    const double seconds = until_pairs(1, kDiskSeconds);
    const std::map<int, json> answers = links_.collect(question, seconds);
    for (const int host : writers) {
      auto& disk = examination_.hosts[static_cast<std::size_t>(host)].disk;
      if (answers.contains(host))
        disk = facts_from<DiskFacts>(answers.at(host));
      else
        disk = DiskFacts{.error = fmt::format("writing {} MiB and fsync were not over after {:.1f} s", kDiskBytes >> 20, seconds)};
    }
    remove_shared_directory(links_, there_.front(), directory_);
  }

  void place_ranks() {
    examination_.job.ranks = options_.ranks;
    examination_.job.threads = options_.threads;
    examination_.job.is_on_cpu = options_.is_on_cpu;
    std::vector<int>& counts = examination_.job.ranks_of_host;
    counts = options_.programs.hosts.empty() ? std::vector<int>{options_.ranks} : ranks_by_host(options_.programs.hosts, options_.ranks);
    counts.insert(counts.begin(), 0);
    counts.resize(examination_.hosts.size());
  }

  /// Where ranks run on the supervisor's host it is one host, with what either of its two agents has found.
  void merge_this_host() {
    std::vector<HostFacts>& hosts = examination_.hosts;
    const auto is_here = [&](const HostFacts& host) {
      return options_.programs.hosts.empty() || is_this_host(host.machine ? host.machine->host : host.name);
    };
    const auto same = std::find_if(hosts.begin() + 1, hosts.end(), is_here);
    if (same == hosts.end() || !same->launch_error.empty()) return;  // what this host is, is known all the same
    if (hosts[0].sharing && !hosts[0].sharing->problem.empty()) same->sharing = hosts[0].sharing;
    hosts.erase(hosts.begin());
    examination_.job.ranks_of_host.erase(examination_.job.ranks_of_host.begin());
  }

  /// Those of the ranks' hosts that can be reached; spares with one rank.
  Placement talking_hosts() const {
    Placement hosts;
    for (std::size_t i = 0; i < examination_.hosts.size(); ++i) {
      const HostFacts& facts = examination_.hosts[i];
      const auto is_it = [&facts](const Host& host) { return host.name == facts.name; };
      const bool is_asked_for = std::any_of(options_.programs.hosts.begin(), options_.programs.hosts.end(), is_it);
      if (facts.launch_error.empty() && is_asked_for) hosts.push_back({facts.name, std::max(1, examination_.job.ranks_of_host[i])});
    }
    return hosts;
  }

  void talk() {
    const Placement hosts = talking_hosts();
    const bool is_reached =
        std::all_of(examination_.hosts.begin(), examination_.hosts.end(), [](const HostFacts& host) { return host.launch_error.empty(); });
    if (options_.programs.hosts.empty() ? !is_reached : hosts.empty()) {
      examination_.pairs.error = "not tried: no host can be reached";
      examination_.pairs.has_started = false;
      return;
    }
    const int ranks = options_.programs.hosts.empty() ? options_.ranks : slots_of(hosts);
    const double all = std::clamp(left(), kLeastPairsSeconds, kPairsStartSeconds + pairs_seconds(ranks));
    const pid_t launcher = starter_.start_talk(hosts, ranks, std::min(pairs_seconds(ranks), all / 2), token_);
    examination_.pairs = wait_for_pairs(launcher, starter_.talk_log(), ranks, all);
    sweep(environment::kAttemptTag, token_, kSweepSeconds);  // a launcher that was killed leaves what is no MPI program
  }

  const ExaminationOptions& options_;
  const bool has_other_hosts_;
  SystemClock clock_;
  const double started_at_ = clock_.seconds();
  Scratch scratch_;
  std::string token_;
  Path directory_;
  ProgramStarter starter_;
  HostLinks links_;
  std::vector<int> versions_;  // questions that are open
  int sizes_ = 0;
  double programs_end_ = 0;
  std::vector<int> there_;
  std::string launcher_error_;
  Examination examination_;
};

}  // namespace

Examination examine(const ExaminationOptions& options) { return Examiner(options).run(); }

}  // namespace holdfast
