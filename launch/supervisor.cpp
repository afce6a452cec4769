#include "launch/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <list>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "base/injection.h"
#include "base/run_lock.h"
#include "checkpoint/format/layout.h"
#include "launch/display.h"
#include "launch/journal.h"
#include "launch/line_connection.h"
#include "launch/supervision.h"
#include "launch/sweep.h"

namespace holdfast {
namespace {

constexpr double kKillSeconds = 0.3;   // from telling the shims to kill to killing the launcher
constexpr double kSweepSeconds = 5;
constexpr double kPingSeconds = 1;
constexpr double kHelloSeconds = 5;    // a connection that has not said who it is by then is dropped

/// A connection on the lease's port: a stranger until its hello.
struct Lease {
  std::unique_ptr<LineConnection> line;
  double since = 0;
  std::optional<int> rank;
  std::string host;
  bool has_ended = false;  // its exit record came
};

class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options)
      : options_(options),
        layout_{options.run_directory},
        token_(random_token()),
        lock_(layout_.lock(), token_),
        journal_(layout_.journal(), clock_),
        supervision_(options.restart, options.ranks, Journal::newest_attempt(Journal::read(layout_.journal())) + 1),
        display_(::isatty(STDOUT_FILENO)) {
  }

  int run() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    block_signals();
    started_at_ = clock_.seconds();
    journal_.write("run_started", {{"host", host_name()}, {"pid", ::getpid()}, {"ranks", options_.ranks}, {"command", options_.command}});
    act_on(event::Start{durable_step()});
    while (!finish_) wait_and_act();
    return finish();
  }

 private:
  void block_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&signals, number);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal_fd_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  }

  // --- what happens ---

  void wait_and_act() {
    std::vector<pollfd> waiting = {{.fd = signal_fd_, .events = POLLIN, .revents = 0}, {.fd = listener_.fd(), .events = POLLIN, .revents = 0}};
    for (const Lease& lease : leases_) waiting.push_back({.fd = lease.line->fd(), .events = POLLIN, .revents = 0});
    ::poll(waiting.data(), waiting.size(), 50);
    take_signals();
    take_connections();
    take_messages();
    take_timers();
    if (supervision_.phase() == Supervision::Phase::ending && launcher_ == 0 && live_shims() == 0) all_gone();
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) {
        display_.line(stop_count_++ == 0 ? "stop requested: the ranks checkpoint at the end of their step (once more: kill)" : "killing the ranks");
        act_on(event::StopSignal{});
      }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == launcher_) {
        launcher_ = 0;
        launcher_status_ = status;
        launcher_ended_at_ = clock_.seconds();
      }
    // The shims' last words may still be on their way: they explain more than the launcher's end.
    if (launcher_ended_at_ && (live_shims() == 0 || clock_.seconds() - *launcher_ended_at_ > kKillSeconds)) {
      launcher_ended_at_.reset();
      act_on(event::LauncherEnded{launcher_status_});
    }
  }

  void take_connections() {
    while (auto line = listener_.accept()) leases_.push_back({.line = std::move(line), .since = clock_.seconds()});
  }

  void take_messages() {
    for (auto lease = leases_.begin(); lease != leases_.end();) {
      lease->line->receive([&](const nlohmann::json& message) { take_message(*lease, message); });
      if (!lease->rank && clock_.seconds() - lease->since > kHelloSeconds) lease->line->close();
      if (lease->line->is_open()) {
        ++lease;
        continue;
      }
      const Lease gone = std::move(*lease);
      lease = leases_.erase(lease);
      if (gone.rank && !gone.has_ended) act_on(event::ShimLost{*gone.rank, gone.host});
    }
    const auto has_ended = [](const Lease& lease) { return !lease.rank || lease.has_ended; };
    if (supervision_.phase() == Supervision::Phase::ending && std::all_of(leases_.begin(), leases_.end(), has_ended)) tell("release");
  }

  void take_message(Lease& lease, const nlohmann::json& message) {
    try {
      if (!lease.rank) {
        const nlohmann::json& hello = message.at("hello");
        if (hello.at("token") != token_ || hello.at("attempt") != supervision_.attempt()) return lease.line->close();
        lease.host = hello.at("host");
        lease.rank = hello.at("rank").get<int>();
        lease.line->send({{"command", "welcome"}});
        act_on(event::RankJoined{*lease.rank});
      } else if (message.contains("status")) {
        reached_step_ = std::max(reached_step_, message["status"].value("global_step", std::int64_t{0}));
        if (lease.rank == 0) display_.status(message["status"], supervision_.attempt(), static_cast<int>(supervision_.outcomes().size()));
      } else if (message.contains("log")) {
        display_.line(message["log"].get<std::string>());
      } else if (message.contains("exit")) {
        lease.has_ended = true;
        const ExitRecord record = exit_record_from_json(message["exit"]);
        reached_step_ = std::max(reached_step_, record.global_step);
        act_on(event::RankEnded{record});
      }
    } catch (const nlohmann::json::exception&) {
      lease.line->close();  // a stranger, or rubbish
    }
  }

  void take_timers() {
    const double now = clock_.seconds();
    const auto is_over = [now](std::optional<double>& timer) {
      if (!timer || now < *timer) return false;
      timer.reset();
      return true;
    };
    if (now >= next_ping_) {
      next_ping_ = now + kPingSeconds;
      tell("ping");
    }
    if (is_over(grace_timer_)) act_on(event::GraceExpired{});
    if (is_over(kill_timer_)) act_on(event::KillDeadline{});
    if (is_over(delay_timer_)) act_on(event::DelayOver{});
  }

  void all_gone() {
    const int left = sweep(environment::kAttemptTag, tag(), kSweepSeconds);
    if (left > 0) journal_.write("orphans", {{"attempt", supervision_.attempt()}, {"processes", left}});
    kill_timer_.reset();
    grace_timer_.reset();
    act_on(event::AllGone{is_done(), durable_step(), reached_step_});
  }

  // --- what is done about it ---

  void act_on(const Event& event) {
    for (const Action& action : supervision_.on(event)) std::visit([this](const auto& one) { perform(one); }, action);
  }

  void perform(const action::Launch& action) {
    reached_step_ = 0;
    // A fault that fired in an earlier attempt explains nothing in this one (its rank may have been killed just before it struck).
    for (std::size_t i = 0; i < fired_injections().size(); ++i) injections_seen_.insert(i);
    make_directories(*files_, layout_.attempt_logs(action.attempt));
    launcher_ = start_mpirun({.ranks = options_.ranks,
                              .shim = options_.shim,
                              .command = options_.command,
                              .variables = {{environment::kSupervisor, listener_.address()},
                                            {environment::kToken, token_},
                                            {environment::kAttempt, std::to_string(action.attempt)},
                                            {environment::kIsRestart, action.is_restart ? "1" : "0"},
                                            {environment::kRunDirectory, layout_.root.string()},
                                            {environment::kLeaseSeconds, fmt::format("{}", options_.restart.lease_seconds)},
                                            {environment::kAttemptTag, tag()}},
                              .exported = options_.exported,
                              .log = layout_.attempt_logs(action.attempt) / "launcher.log"});
    if (action.is_restart) display_.line(fmt::format("attempt {} starts", action.attempt));
  }
  void perform(const action::TellStop&) { tell("stop"); }
  void perform(const action::TellKill&) { tell("kill"); }
  void perform(const action::ForceKill&) {
    if (launcher_ > 0) ::kill(launcher_, SIGKILL);
    sweep(environment::kAttemptTag, tag(), kSweepSeconds);
  }
  void perform(const action::StartGraceTimer&) { grace_timer_ = clock_.seconds() + options_.restart.stop_grace_seconds; }
  void perform(const action::StartKillTimer&) { kill_timer_ = clock_.seconds() + kKillSeconds; }
  void perform(const action::StartDelay& action) {
    delay_timer_ = clock_.seconds() + action.seconds;
    if (action.seconds > 0) display_.line(fmt::format("waiting {:.1f} s before the next attempt", action.seconds));
  }
  void perform(const action::Journal& action) {
    nlohmann::json fields = action.fields;
    if (action.event == "rank_lost") {
      fields["attempt"] = supervision_.attempt();
      fields["injected"] = injected_fault(action.fields.at("rank"));
      display_.line(describe(exit_record_from_json(action.fields)));
    }
    journal_.write(action.event, std::move(fields));
  }
  void perform(const action::Finish& action) { finish_ = action.decision; }

  void tell(const char* command) {
    for (Lease& lease : leases_)
      if (lease.rank) lease.line->send({{"command", command}});
  }

  // --- facts ---

  std::ptrdiff_t live_shims() const {
    return std::count_if(leases_.begin(), leases_.end(), [](const Lease& lease) { return lease.rank.has_value(); });
  }

  std::string tag() const { return fmt::format("{}-{}", token_, supervision_.attempt()); }

  std::int64_t durable_step() {
    const std::vector<CheckpointName> names = list_checkpoints(*files_, layout_.checkpoints());
    return names.empty() ? -1 : names.back().step;
  }

  nlohmann::json read_done() const {
    std::ifstream file(layout_.done());
    auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
    return json.is_object() ? json : nlohmann::json::object();
  }
  /// The trainer writes the record in every attempt that finds the run finished, with the attempt's number.
  bool is_done() const { return read_done().value("attempt", 0) == supervision_.attempt(); }

  /// The injected fault that struck this rank and has not been accounted for; null: none.
  nlohmann::json injected_fault(int rank) {
    const std::vector<std::string> fired = fired_injections();
    for (std::size_t i = 0; i < fired.size(); ++i)
      if (parse_injection(fired[i]).rank == rank && injections_seen_.insert(i).second) return fired[i];
    return nullptr;
  }

  std::vector<std::string> fired_injections() const {
    std::ifstream file(layout_.injected());
    std::vector<std::string> fired;
    for (std::string line; std::getline(file, line);) fired.push_back(line);
    return fired;
  }

  int finish() {
    display_.clear();
    const double seconds = clock_.seconds() - started_at_;
    const bool is_done = finish_->kind == Decision::Kind::done;
    journal_.write(is_done                                             ? "done"
                   : finish_->kind == Decision::Kind::stopped ? "stopped"
                                                                       : "gave_up",
                   {{"exit_code", finish_->exit_code}, {"reason", finish_->reason}, {"seconds", seconds}, {"record", is_done ? read_done() : nlohmann::json()}});
    if (finish_->kind == Decision::Kind::give_up) display_.line("gave up: " + finish_->reason + "\n  logs: " + (layout_.root / "logs").string());
    if (finish_->kind == Decision::Kind::stopped) display_.line(finish_->reason);
    display_.line(summary_table(supervision_.outcomes(), *finish_, seconds, is_done ? read_done() : nlohmann::json::object()));
    return finish_->exit_code;
  }

  const SupervisorOptions& options_;
  RunLayout layout_;
  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::string token_;
  RunLock lock_;
  Journal journal_;
  Supervision supervision_;
  Display display_;
  std::set<std::size_t> injections_seen_;  // lines of the record, by number
  Listener listener_;
  std::list<Lease> leases_;
  int signal_fd_ = -1;
  pid_t launcher_ = 0;
  int launcher_status_ = 0;
  std::optional<double> launcher_ended_at_, grace_timer_, kill_timer_, delay_timer_;
  double next_ping_ = 0, started_at_ = 0;
  std::int64_t reached_step_ = 0;
  int stop_count_ = 0;
  std::optional<Decision> finish_;
};

}  // namespace

int supervise(const SupervisorOptions& options) { return Supervisor(options).run(); }

}  // namespace holdfast
