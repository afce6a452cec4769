#include "launch/doctor/examination.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "launch/doctor/host_links.h"
#include "launch/doctor/pairs.h"
#include "launch/doctor/sharing.h"
#include "launch/launcher.h"
#include "launch/sweep.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr double kLaunchSeconds = 8;  // together with the others at most 20
constexpr double kMachineSeconds = 3;
constexpr double kProgramSeconds = 8;  // LibTorch's first loading from a slow disk; less where the launch took long
constexpr double kAnswerSeconds = 0.5;
constexpr double kAllSeconds = 18, kStartedPairsSeconds = 8;
constexpr double kDiskSeconds = 5;
constexpr std::int64_t kDiskBytes = std::int64_t{64} << 20;
constexpr double kSweepSeconds = 1;
constexpr int kClockQuestions = 5;

/// A directory of this host's memory, gone in the end.
class Scratch {
 public:
  Scratch() : path_(memory_directory() / "holdfast-doctor-XXXXXX") {
    std::string name = path_.string();
    if (::mkdtemp(name.data()) == nullptr)
      throw StorageError(ErrorText{.attempted = "make a directory " + name, .cause = std::strerror(errno)});
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

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
        token_(random_token()),
        directory_(options.run_directory / ("doctor-" + token_.substr(0, 12))),
        links_(clock_, token_) {}

  Examination run() {
    links_.add(start_agent_here(), scratch_.path() / "agent-0.log");
    try {
      links_.add(start_agents_by_launcher(), scratch_.path() / "agent-1.log");
    } catch (const Error& error) {  // no mpirun, which is what a person would want to know of
      launcher_error_ = error.what();
    }
    links_.wait_for_agents(kLaunchSeconds);
    note_launches();
    ask();
    links_.close(1);
    merge_this_host();
    examination_.job.ranks = options_.ranks;
    examination_.job.threads = options_.threads;
    talk();
    examination_.seconds = clock_.seconds() - started_at_;
    return std::move(examination_);
  }

 private:
  std::map<std::string, std::string> variables_of(int host) const {
    return {{environment::kSupervisor, links_.address()},
            {environment::kToken, token_},
            {environment::kDoctorHost, std::to_string(host)},
            {environment::kDoctorDirectory, directory_.string()}};
  }
  std::map<std::string, std::string> launcher_variables() const {
    return {{"OMPI_MCA_orte_tmpdir_base", scratch_.path().string()}, {"OMPI_MCA_btl_vader_backing_directory", scratch_.path().string()}};
  }

  /// The supervisor's own host, which reads and writes the run directory too.
  pid_t start_agent_here() {
    return start_alone({.command = {options_.program.string(), "doctor", "--agent"},
                        .variables = variables_of(0),
                        .log = scratch_.path() / "agent-0.log"});
  }

  pid_t start_agents_by_launcher() {
    return start_mpirun({.ranks = 1,
                         .shim = "",
                         .command = {options_.program.string(), "doctor", "--agent"},
                         .variables = variables_of(1),
                         .own_variables = launcher_variables(),
                         .exported = {},
                         .log = scratch_.path() / "agent-1.log"});
  }

  void note_launches() {
    for (int host = 0; host < static_cast<int>(links_.size()); ++host) {
      HostFacts facts{.name = host == 0 ? host_name() : "ranks' host", .launch_seconds = links_.launch_seconds(host)};
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
    // LibTorch is slow to load, from a cold disk above all: asked first, waited for last, and not twice on one host.
    const double program_seconds = std::clamp(kAllSeconds - kStartedPairsSeconds - (clock_.seconds() - started_at_), 2.0, kProgramSeconds);
    const double programs_end = clock_.seconds() + program_seconds + kAnswerSeconds;
    const std::vector<int> ranks_host = {there_.empty() ? 0 : there_.back()};
    const int versions = links_.post(links_.is_there(ranks_host[0]) ? ranks_host : std::vector<int>{},
                                     {{"ask", "versions"}, {"trainer", options_.trainer.string()}, {"seconds", program_seconds}});
    const int sizes = post_sizes(program_seconds);
    take(machine, kMachineSeconds, &HostFacts::machine);
    ask_clocks();
    if (!there_.empty()) ask_storage();
    take(versions, programs_end - clock_.seconds(), &HostFacts::versions);
    take_sizes(sizes, programs_end - clock_.seconds());
    for (HostFacts& host : examination_.hosts)
      if (host.machine) host.name = host.machine->host;
  }

  int post_sizes(double seconds) {
    if (options_.describe.empty() || !links_.is_there(0)) return 0;
    std::vector<std::string> words = {options_.trainer.string()};
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
      examination_.job_error = fmt::format("cannot run {}: {}", options_.trainer.string(), std::strerror(error));
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
      for (int i = 0; i < kClockQuestions; ++i) {
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
    for (const int host : there_)
      if (examination_.hosts[static_cast<std::size_t>(host)].sharing->problem.empty() && (host > 0 || there_.size() == 1))
        writers.push_back(host);
    const int question = links_.post(writers, {{"ask", "disk"}, {"directory", directory_.string()}, {"bytes", kDiskBytes}});
    const std::map<int, json> answers = links_.collect(question, kDiskSeconds);
    for (const int host : writers) {
      auto& disk = examination_.hosts[static_cast<std::size_t>(host)].disk;
      if (answers.contains(host))
        disk = facts_from<DiskFacts>(answers.at(host));
      else
        disk = DiskFacts{.error = fmt::format("writing {} MiB and fsync were not over after {:.0f} s", kDiskBytes >> 20, kDiskSeconds)};
    }
    remove_shared_directory(links_, there_.front(), directory_);
  }

  /// Where ranks run on the supervisor's host it is one host, with what either of its two agents has found.
  void merge_this_host() {
    std::vector<HostFacts>& hosts = examination_.hosts;
    examination_.job.ranks_of_host = {0, options_.ranks};
    if (!hosts[1].launch_error.empty()) return;  // what this host is, is known all the same
    if (hosts[1].sharing && hosts[0].sharing && !hosts[0].sharing->problem.empty()) hosts[1].sharing = hosts[0].sharing;
    hosts.erase(hosts.begin());
    examination_.job.ranks_of_host = {options_.ranks};
  }

  void talk() {
    if (std::any_of(examination_.hosts.begin(), examination_.hosts.end(),
                    [](const HostFacts& host) { return !host.launch_error.empty(); })) {
      examination_.pairs.error = "not tried: not every host can be reached";
      examination_.pairs.has_started = false;
      return;
    }
    const double seconds = pairs_seconds(options_.ranks);
    const Path log = scratch_.path() / "pairs.log";
    const pid_t launcher = start_mpirun({.ranks = options_.ranks,
                                         .shim = "",
                                         .command = {options_.trainer.string(), "--probe", fmt::format("pairs:{:g}", seconds)},
                                         .variables = {{environment::kAttemptTag, token_}},
                                         .own_variables = launcher_variables(),
                                         .exported = {},
                                         .log = log});
    examination_.pairs = wait_for_pairs(launcher, log, options_.ranks, seconds);
    sweep(environment::kAttemptTag, token_, kSweepSeconds);  // a launcher that was killed leaves what is no MPI program
  }

  const ExaminationOptions& options_;
  SystemClock clock_;
  const double started_at_ = clock_.seconds();
  Scratch scratch_;
  std::string token_;
  Path directory_;
  HostLinks links_;
  std::vector<int> there_;
  std::string launcher_error_;
  Examination examination_;
};

}  // namespace

Examination examine(const ExaminationOptions& options) { return Examiner(options).run(); }

}  // namespace holdfast
