#include "launch/chaos/chaos.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "base/median.h"
#include "base/text_file.h"
#include "checkpoint/format/layout.h"
#include "launch/attempt/sweep.h"
#include "launch/chaos/supervised_run.h"
#include "launch/chaos/verdict.h"
#include "launch/journal.h"
#include "launch/shim/log_tail.h"

namespace holdfast {
namespace {

using nlohmann::json;

constexpr double kOrphanSeconds = 2;   // after which nothing of an attempt that has ended may be left
constexpr double kStartSeconds = 120;  // for an attempt to read its state
constexpr useconds_t kTickMicroseconds = 20'000;
constexpr std::size_t kLastLines = 15;

/// What became of the faults of one kind.
struct Tally {
  int struck = 0, right = 0;
  std::vector<double> seconds;  // from the strike to where the run goes on
};

class Chaos {
 public:
  explicit Chaos(const ChaosOptions& options)
      : options_(options),
        run_{options.directory / "disturbed"},
        supervisor_(command(run_.root), options.directory / "disturbed.log"),
        log_(options.directory / "chaos.jsonl", std::ios::app),
        random_(options.seed) {}

  int run() {
    const double undisturbed_seconds = run_undisturbed();
    const double begin = clock_.seconds();
    start();
    while (!is_over_ && clock_.seconds() - begin < options_.minutes * 60 && (options_.most == 0 || struck_ < options_.most)) strike_once();
    say(is_over_ ? "the run has ended; give it more steps for more faults" : "no more faults; the run trains to its end");
    while (!is_over_) tick();
    return compare(undisturbed_seconds, clock_.seconds() - begin);
  }

 private:
  std::vector<std::string> command(const Path& directory) const {
    std::vector<std::string> words = {options_.program.string(), "run"};
    words.insert(words.end(), options_.words.begin(), options_.words.end());
    // Faults come faster here than checkpoints: that is no reason to give up.
    words.insert(words.end(), {"--run-dir", directory.string(), "--set", "restart.max_attempts_without_progress=1000"});
    return words;
  }

  void say(const std::string& text) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

  double run_undisturbed() {
    const Path directory = options_.directory / "undisturbed", log = options_.directory / "undisturbed.log";
    say(fmt::format("undisturbed: {}", directory.string()));
    const double begin = clock_.seconds();
    SupervisedRun run(command(directory), log);
    run.start();
    std::optional<int> end;
    while (!(end = run.take_end())) ::usleep(kTickMicroseconds);
    if (*end != 0) end_for_good("the undisturbed run", *end, log);
    return clock_.seconds() - begin;
  }

  [[noreturn]] void end_for_good(const std::string& what, int status, const Path& log) {
    std::string text = fmt::format("chaos: {} {} {}; the end of {}:", what, WIFSIGNALED(status) ? "was ended by signal" : "ended with code",
                                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), log.string());
    for (const std::string& line : last_lines(log, kLastLines)) text += "\n  | " + line;
    throw Error(text, kExitSoftware);
  }

  void start() {
    supervisor_.start();
    const std::size_t lines = Journal::read(run_.journal()).size();
    wait_for([&] { return lines_since(lines).size() > 0; });
  }

  std::vector<json> lines_since(std::size_t count) const {
    std::vector<json> lines = Journal::read(run_.journal());
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(std::min(count, lines.size())));
    return lines;
  }

  /// Lets time go by; a supervisor that a fault has ended is started again.
  void tick() {
    ::usleep(kTickMicroseconds);
    const std::optional<int> end = supervisor_.take_end();
    if (!end) return;
    if (*end == 0) {
      is_over_ = true;
      return;
    }
    const bool is_ours = (WIFSIGNALED(*end) && WTERMSIG(*end) == SIGKILL && expected_end_ == SIGKILL) ||
                         (WIFEXITED(*end) && WEXITSTATUS(*end) == kExitTemporary && expected_end_ == SIGTERM);
    if (!is_ours) end_for_good("the disturbed run", *end, options_.directory / "disturbed.log");
    expected_end_ = 0;
    supervisor_.start();
  }

  template <typename Condition>
  bool wait_for(Condition&& is_true) {
    const double end = clock_.seconds() + kStartSeconds;
    while (!is_over_ && clock_.seconds() < end) {
      if (is_true()) return true;
      tick();
    }
    return false;
  }

  const Fault& next_fault() {
    if (deck_.empty()) {
      for (const Fault& fault : faults()) deck_.push_back(&fault);
      std::shuffle(deck_.begin(), deck_.end(), random_);
    }
    const Fault* fault = deck_.back();
    deck_.pop_back();
    return *fault;
  }

  void strike_once() {
    const double share = static_cast<double>(random_() >> 11) / static_cast<double>(std::uint64_t{1} << 53);
    const double until = clock_.seconds() - std::log(1 - share) * 3600 / options_.per_hour;
    while (!is_over_ && clock_.seconds() < until) tick();
    if (is_over_) return;
    const Victim victim{.run = run_.root, .supervisor = supervisor_.pid(), .processes = processes_of(run_.root)};
    const std::size_t lines = Journal::read(run_.journal()).size();
    const Fault& fault = next_fault();
    const double begin = clock_.seconds(), time = clock_.unix_seconds();
    const std::optional<Strike> struck = strike(fault, victim, random_);
    if (!struck) return;
    if (fault.effect == Effect::supervisor_dies || fault.effect == Effect::run_stops)
      expected_end_ = fault.effect == Effect::run_stops ? SIGTERM : SIGKILL;
    ++struck_;
    const std::optional<Attribution> verdict = wait_for_verdict(*struck, lines, begin);
    if (!verdict) return void(--struck_);  // the run ended by itself meanwhile
    wait_for([&] { return is_going_on(*struck, lines_since(lines)); });
    const double seconds = clock_.seconds() - begin;
    const int orphans =
        fault.effect == Effect::nothing || fault.effect == Effect::launcher_continues ? 0 : orphans_among(victim.processes, begin);
    record(*struck, *verdict, time, seconds, orphans);
  }

  std::optional<Attribution> wait_for_verdict(const Strike& struck, std::size_t lines, double begin) {
    std::optional<Attribution> verdict;
    wait_for([&] { return (verdict = judge(struck, lines_since(lines), clock_.seconds() - begin)).has_value(); });
    return verdict;
  }

  /// Of an attempt that has ended: processes that are still there.
  int orphans_among(const RunProcesses& processes, double begin) {
    while (clock_.seconds() - begin < kOrphanSeconds) tick();
    const std::vector<pid_t> old = processes.all(), now = processes_with(environment::kRunDirectory, run_.root.string());
    return static_cast<int>(
        std::count_if(now.begin(), now.end(), [&](pid_t pid) { return std::find(old.begin(), old.end(), pid) != old.end(); }));
  }

  void record(const Strike& struck, const Attribution& verdict, double time, double seconds, int orphans) {
    orphans_ += orphans;
    Tally& tally = tallies_[std::string(struck.fault->name)];
    ++tally.struck;
    tally.right += verdict.is_right;
    tally.seconds.push_back(seconds);
    say(fmt::format("{} {:>3} {:<15} {}{}{}: {}", utc_time(time).substr(11, 8), struck_, struck.fault->name,
                    verdict.is_right ? "right" : "WRONG", struck.note.empty() ? "" : ", " + struck.note,
                    orphans > 0 ? fmt::format(", {} ORPHANS", orphans) : "", verdict.reason.substr(0, verdict.reason.find('\n'))));
    log_ << json{{"unix_seconds", time},     {"fault", struck.fault->name}, {"ranks", struck.ranks},
                 {"signal", struck.signal},  {"note", struck.note},         {"is_right", verdict.is_right},
                 {"reason", verdict.reason}, {"seconds", seconds},          {"orphans", orphans}}
                .dump()
         << std::endl;
  }

  int compare(double undisturbed_seconds, double disturbed_seconds) {
    const auto hash_of = [](const Path& run) {
      return json::parse(text_of_file(RunLayout{run}.done())).at("parameter_hash").get<std::string>();
    };
    const std::string expected = hash_of(options_.directory / "undisturbed"), found = hash_of(run_.root);
    orphans_ += static_cast<int>(processes_with(environment::kRunDirectory, run_.root.string()).size());
    int right = 0;
    say(fmt::format("\n{:<15} {:>6} {:>6} {:>9}", "fault", "struck", "right", "seconds"));
    for (const auto& [name, tally] : tallies_) {
      say(fmt::format("{:<15} {:>6} {:>6} {:>9.2f}", name, tally.struck, tally.right, median(tally.seconds)));
      right += tally.right;
    }
    const std::size_t fell_back = attempts_that_fell_back(Journal::read(run_.journal())).size();
    say(fmt::format("\ninjected {}, called by their name {}; {} orphans; {} attempts fell back to an older state ({} damaged it)", struck_,
                    right, orphans_, fell_back, damages()));
    say(fmt::format("goodput {:.2f} ({:.1f} s undisturbed, {:.1f} s disturbed)", undisturbed_seconds / disturbed_seconds,
                    undisturbed_seconds, disturbed_seconds));
    say(fmt::format("{}: parameter hash {} undisturbed, {} disturbed", expected == found ? "EQUAL" : "DIFFERENT", expected, found));
    const bool is_well = expected == found && orphans_ == 0 && right == struck_ && static_cast<int>(fell_back) <= damages();
    return is_well ? kExitOk : kExitDifferent;
  }

  /// Faults that have taken the newest state away.
  int damages() const {
    int count = 0;
    for (const char* name : {"flip_bit", "truncate_shard", "lose_manifest"})
      if (const auto tally = tallies_.find(name); tally != tallies_.end()) count += tally->second.struck;
    return count;
  }

  const ChaosOptions& options_;
  RunLayout run_;
  SystemClock clock_;
  SupervisedRun supervisor_;
  std::ofstream log_;
  std::mt19937_64 random_;
  std::vector<const Fault*> deck_;
  std::map<std::string, Tally> tallies_;
  std::int64_t struck_ = 0;
  int orphans_ = 0, expected_end_ = 0;
  bool is_over_ = false;
};

}  // namespace

int run_chaos(const ChaosOptions& options) {
  make_directories(*make_posix_file_system(), options.directory);
  return Chaos(options).run();
}

}  // namespace holdfast
