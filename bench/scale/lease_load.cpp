#include "bench/scale/lease_load.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "bench/scale/words.h"
#include "launch/lease/leases.h"
#include "launch/lease/open_files.h"
#include "launch/lease/word_seconds.h"
#include "launch/supervisor_loop.h"
#include "launch/watch/rank_watch.h"

namespace holdfast {
namespace {

constexpr int kAttempt = 1;
constexpr const char* kToken = "0123456789abcdef0123456789abcdef";
constexpr double kJoinLimitSeconds = 60, kLoadSeconds = 1;

/// The other side: connects and says hello for every rank, then speaks for each as often as a shim does, evenly spread, until it is killed.
[[noreturn]] void play_shims(const std::string& address, int ranks) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const SystemClock clock;
  std::vector<std::unique_ptr<LineConnection>> lines;
  for (int rank = 0; rank < ranks; ++rank) {
    auto line = LineConnection::connect(address, kJoinLimitSeconds);
    if (!line) ::_exit(1);
    line->send(hello_of(rank, kToken, kAttempt));
    lines.push_back(std::move(line));
  }
  const double start = clock.seconds();
  std::vector<std::int64_t> said(static_cast<std::size_t>(ranks), 0);
  for (;;) {
    for (int rank = 0; rank < ranks; ++rank) {
      std::int64_t& words = said[static_cast<std::size_t>(rank)];
      const double due = start + (static_cast<double>(words) + static_cast<double>(rank) / ranks) * word_seconds(ranks);
      if (clock.seconds() < due) continue;
      ++words;
      LineConnection& line = *lines[static_cast<std::size_t>(rank)];
      line.receive([](const nlohmann::json&) {});
      line.send(word_of(rank, words, clock.seconds() - start));
    }
    ::poll(nullptr, 0, 1);
  }
}

double core_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// The supervisor's side, with its loop.
class Listening {
 public:
  explicit Listening(int ranks) : ranks_(ranks), watch_(RestartOptions{}) {
    watch_.begin_times(clock_.seconds());
    watch_.begin(ranks_, clock_.seconds());
  }
  std::string address() const { return leases_.address(); }
  std::ptrdiff_t joined() const { return joined_; }
  std::uint64_t words() const { return words_; }
  void tell(const char* command) { leases_.tell(command); }

  void turn() {
    ::poll(nullptr, 0, rest_milliseconds(ranks_));
    std::vector<pollfd> waiting;
    leases_.add_to(waiting);
    ::poll(waiting.data(), waiting.size(), kLoopMilliseconds);
    watch_.awake(clock_.seconds());
    leases_.take_messages(kAttempt);
    if (leases_.silent_for(kSilenceSeconds).empty() && watch_.check(clock_.seconds()))
      throw Error("ranks that get on are said to hang", kExitSoftware);
    leases_.silent_for(kPatienceSeconds);
  }

 private:
  static constexpr double kPatienceSeconds = 2;
  int ranks_;
  SystemClock clock_;
  RankWatch watch_;
  std::ptrdiff_t joined_ = 0;
  std::uint64_t words_ = 0;
  Leases leases_{clock_,
                 kToken,
                 {.joined = [this](int, const std::string&) { ++joined_; },
                  .said =
                      [this](int rank, const nlohmann::json& message) {
                        ++words_;
                        const double now = clock_.seconds();
                        watch_.take_times(rank, message, now);
                        watch_.take_status(rank, message.at("status"), now);
                      },
                  .lost = [](int rank, const std::string&) { throw Error(fmt::format("rank {} is gone", rank), kExitSoftware); }}};
};

/// The processes of the shims; gone with it.
class Shims {
 public:
  Shims(const std::string& address, int ranks) : pid_(::fork()) {
    if (pid_ == 0) play_shims(address, ranks);
  }
  ~Shims() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Shims(const Shims&) = delete;
  Shims& operator=(const Shims&) = delete;

 private:
  pid_t pid_;
};

}  // namespace

std::optional<LeaseLoad> load_leases(int ranks, double seconds, std::string& why) {
  try {
    allow_open_files(open_files_for(ranks, false));
  } catch (const Error& error) {
    why = error.what();
    return std::nullopt;
  }
  const SystemClock clock;
  LeaseLoad load{.expected_words = ranks / word_seconds(ranks)};
  Listening supervisor(ranks);
  const Shims shims(supervisor.address(), ranks);
  const double start = clock.seconds();
  while (supervisor.joined() < ranks) {
    supervisor.turn();
    if (clock.seconds() - start > kJoinLimitSeconds)
      throw Error(fmt::format("{} of {} shims have joined within {} s", supervisor.joined(), ranks, kJoinLimitSeconds), kExitSoftware);
  }
  load.join_seconds = clock.seconds() - start;
  for (const double warm = clock.seconds() + word_seconds(ranks); clock.seconds() < warm;) supervisor.turn();
  const double begin = clock.seconds(), core_begin = core_seconds();
  const std::uint64_t words = supervisor.words();
  while (clock.seconds() - begin < seconds) load.longest_loop = std::max(load.longest_loop, seconds_of([&] { supervisor.turn(); }));
  const double spent = clock.seconds() - begin, core = core_seconds() - core_begin;
  load.core_share = core / spent;
  load.core_seconds_a_word = core / static_cast<double>(std::max<std::uint64_t>(1, supervisor.words() - words));
  load.words_a_second = static_cast<double>(supervisor.words() - words) / spent;
  load.told_seconds = seconds_of([&] { supervisor.tell("ping"); });
  return load;
}

std::vector<Figure> measure_leases(const ScaleTask& task) {
  Figure joined{.way = "leases.join", .ranks = task.ranks}, word{.way = "leases.word", .ranks = task.ranks},
      loop{.way = "leases.longest_loop", .ranks = task.ranks}, told{.way = "leases.tell", .ranks = task.ranks};
  std::vector<LeaseLoad> loads;
  for (int number = 0; number < task.repeat; ++number) {
    std::string why;
    const std::optional<LeaseLoad> load = load_leases(task.ranks, kLoadSeconds, why);
    if (!load) return {{.way = "leases.join", .ranks = task.ranks, .seconds = {}, .facts = {{"skipped", why}}}};
    joined.seconds.push_back(load->join_seconds);
    word.seconds.push_back(load->core_seconds_a_word);
    loop.seconds.push_back(load->longest_loop);
    told.seconds.push_back(load->told_seconds);
    loads.push_back(*load);
  }
  std::sort(loads.begin(), loads.end(),
            [](const LeaseLoad& a, const LeaseLoad& b) { return a.core_seconds_a_word < b.core_seconds_a_word; });
  const LeaseLoad& usual = loads[loads.size() / 2];
  word.facts = {{"words_a_second", usual.words_a_second},
                {"core_share", usual.core_share},
                {"expected_words_a_second", usual.expected_words},
                {"expected_core_share", usual.expected_words * usual.core_seconds_a_word + usual.told_seconds / kPingSeconds}};
  return {joined, word, loop, told};
}

}  // namespace holdfast
