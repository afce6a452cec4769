#include "launch/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "base/run_lock.h"
#include "checkpoint/format/layout.h"
#include "launch/display.h"
#include "launch/hang_watch.h"
#include "launch/journal.h"
#include "launch/leases.h"
#include "launch/leftovers.h"
#include "launch/log_tail.h"
#include "launch/run_record.h"
#include "launch/session_directory.h"
#include "launch/supervision.h"
#include "launch/sweep.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 50;
constexpr double kKillSeconds = 0.3;  // from telling the shims to kill to killing the launcher
constexpr double kSweepSeconds = 5;
constexpr double kPingSeconds = 1;
constexpr double kStackSeconds = 3;  // a shim gives its rank's stacks less
constexpr double kStallSeconds = 1;  // twenty ticks: this process was not running in between
constexpr std::size_t kLauncherLines = 20;

/// Signals that ask for a stop. SIGHUP is left out where it is ignored (nohup).
int open_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&signals, number);
  struct sigaction hangup {};
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) ::sigaddset(&signals, SIGHUP);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may go away; the training goes on
  return ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/// Of a shim's status. Throws nlohmann's exception at rubbish, as Leases wants it.
RankPulse pulse_from(const nlohmann::json& status) {
  return {.section = section_from(status.at("section").get<std::string>()),
          .step = status.at("step"),
          .global_step = status.at("global_step"),
          .beats = status.at("beats"),
          .collectives = status.at("collectives"),
          .is_inside_collective = status.at("is_inside_collective")};
}

class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options)
      : options_(options),
        layout_{options.run_directory},
        token_(random_token()),
        lock_(layout_.lock(), token_),
        journal_(layout_.journal(), clock_, [this] { ping_when_due(); }),
        supervision_(options.restart, options.ranks, Journal::newest_attempt(Journal::read(layout_.journal())) + 1),
        display_(STDOUT_FILENO, ::isatty(STDOUT_FILENO)),
        record_(*files_, layout_),
        leases_(clock_, token_,
                {.joined = [this](int rank) { act_on(event::RankJoined{rank}); },
                 .said = [this](int rank, const nlohmann::json& message) { take_message(rank, message); },
                 .lost =
                     [this](int rank, const std::string& host) {
                       act_on(event::ShimLost{rank, host});
                     }}) {}

  int run() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal_fd_ = open_signals();
    started_at_ = clock_.seconds();
    display_.line("run directory " + layout_.root.string());
    journal_.write("run_started", {{"host", host_name()}, {"pid", ::getpid()}, {"ranks", options_.ranks}, {"command", options_.command}});
    if (const int left = end_leftovers(layout_, kSweepSeconds); left > 0) {
      display_.line(fmt::format("{} processes of an attempt whose supervisor was killed were still there; they are ended", left));
      journal_.write("leftovers", {{"processes", left}});
    }
    act_on(event::Start{record_.durable_step()});
    while (!finish_) wait_and_act();
    return finish();
  }

 private:
  // --- what happens ---

  void wait_and_act() {
    std::vector<pollfd> waiting = {{.fd = signal_fd_, .events = POLLIN, .revents = 0}};
    leases_.add_to(waiting);
    ::poll(waiting.data(), waiting.size(), kTickMilliseconds);
    forgive_own_stall();
    take_signals();
    leases_.take_messages(supervision_.attempt());
    if (supervision_.phase() == Supervision::Phase::ending && leases_.have_all_ended()) leases_.tell("release");
    take_timers();
    watch_for_hangs();
    if (supervision_.phase() == Supervision::Phase::ending && launcher_ == 0 && !launcher_ended_at_ && leases_.connected() == 0) all_gone();
  }

  void forgive_own_stall() {
    const double now = clock_.seconds();
    if (now - awake_at_ > kStallSeconds) watch_.forgive(now);
    awake_at_ = now;
  }

  void watch_for_hangs() {
    if (supervision_.phase() != Supervision::Phase::running || has_hung_) return;
    std::optional<Hang> hang = watch_.check(clock_.seconds());
    if (!hang) return;
    for (Hang::Culprit& culprit : hang->culprits) culprit.host = leases_.host_of(culprit.rank);
    has_hung_ = true;
    act_on(event::Hung{*hang});
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) take_stop_signal(static_cast<int>(info.ssi_signo));
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;)
      if (WIFSTOPPED(status)) {
        if (pid == launcher_) continue_launcher();
      } else if (pid == launcher_) {
        launcher_ = 0;
        launcher_status_ = status;
        launcher_ended_at_ = clock_.seconds();
      }
    // The shims' last words may still be on their way: they explain more than the launcher's end.
    if (launcher_ended_at_ && (leases_.connected() == 0 || clock_.seconds() - *launcher_ended_at_ > kKillSeconds)) {
      launcher_ended_at_.reset();
      act_on(event::LauncherEnded{launcher_status_});
    }
  }

  /// USR1 is sent by schedulers and scripts, ahead of a TERM and more than once: only the second of the others is a person's haste.
  void take_stop_signal(int number) {
    const bool is_first = !std::exchange(is_stop_requested_, true);
    if (number != SIGUSR1) ++urgent_signals_;
    const bool is_haste = number != SIGUSR1 && urgent_signals_ > 1;
    if (!is_first && !is_haste) return;
    display_.line(is_first ? "stop requested: the ranks checkpoint at the end of their step (once more: kill)" : "killing the ranks");
    act_on(event::StopSignal{});
  }

  /// Ranks train on without it, but cannot end: MPI_Finalize waits for it.
  void continue_launcher() {
    journal_.write("launcher_stopped", {{"attempt", supervision_.attempt()}});
    display_.line("mpirun was stopped by somebody; it is continued");
    ::kill(launcher_, SIGCONT);
  }

  void take_message(int rank, const nlohmann::json& message) {
    if (message.contains("status")) {
      reached_step_ = std::max(reached_step_, message["status"].value("global_step", std::int64_t{0}));
      const auto resumed = message["status"].value("resumed_step", std::int64_t{-2});
      if (rank == 0 && resumed >= -1) act_on(event::Resumed{resumed});
      watch_.take(rank, pulse_from(message["status"]), clock_.seconds());
      if (rank == 0) display_.status(message["status"], supervision_.attempt(), static_cast<int>(supervision_.outcomes().size()));
    } else if (message.contains("log")) {
      display_.line(message["log"].get<std::string>());
    } else if (message.contains("stacks")) {
      const nlohmann::json& stacks = message["stacks"];
      act_on(event::StackTaken{rank, {.state = stacks.at("state"), .functions = stacks.at("functions"), .file = stacks.at("file")}});
    } else if (message.contains("exit")) {
      const ExitRecord record = exit_record_from_json(message["exit"]);
      reached_step_ = std::max(reached_step_, record.global_step);
      watch_.ended(rank);
      act_on(event::RankEnded{record});
    }
  }

  void take_timers() {
    const double now = clock_.seconds();
    const auto is_over = [now](std::optional<double>& timer) {
      if (!timer || now < *timer) return false;
      timer.reset();
      return true;
    };
    ping_when_due();
    if (is_over(grace_timer_)) act_on(event::GraceExpired{});
    if (is_over(stack_timer_)) act_on(event::StackDeadline{});
    if (is_over(kill_timer_)) act_on(event::KillDeadline{});
    if (is_over(delay_timer_)) act_on(event::DelayOver{});
  }

  /// Without it the shims kill their ranks when the lease is over.
  void ping_when_due() {
    const double now = clock_.seconds();
    if (now < next_ping_) return;
    next_ping_ = now + std::min(kPingSeconds, options_.restart.lease_seconds / 4);
    leases_.tell("ping");
  }

  void all_gone() {
    const int left = sweep(environment::kAttemptTag, tag(), kSweepSeconds);
    if (left > 0) journal_.write("orphans", {{"attempt", supervision_.attempt()}, {"processes", left}});
    session_.reset();
    kill_timer_.reset();
    grace_timer_.reset();
    stack_timer_.reset();
    act_on(event::AllGone{record_.is_done(), record_.durable_step(), reached_step_,
                          last_lines(layout_.launcher_log(supervision_.attempt()), kLauncherLines)});
  }

  // --- what is done about it ---

  void act_on(const Event& event) {
    for (const Action& action : supervision_.on(event)) std::visit([this](const auto& one) { perform(one); }, action);
  }

  void perform(const action::Launch& action) {
    reached_step_ = 0;
    record_.begin_attempt(action.attempt);
    make_directories(*files_, layout_.attempt_logs(action.attempt));
    session_.emplace(*files_, layout_.root, action.attempt);
    has_hung_ = false;
    watch_.begin(options_.ranks, clock_.seconds());
    launcher_ = start_mpirun({.ranks = options_.ranks,
                              .shim = options_.shim,
                              .command = options_.command,
                              .variables = {{environment::kSupervisor, leases_.address()},
                                            {environment::kToken, token_},
                                            {environment::kAttempt, std::to_string(action.attempt)},
                                            {environment::kFirstAttempt, std::to_string(supervision_.first_attempt())},
                                            {environment::kRunDirectory, layout_.root.string()},
                                            {environment::kLeaseSeconds, fmt::format("{}", options_.restart.lease_seconds)},
                                            {environment::kAttemptTag, tag()}},
                              .own_variables = session_->variables(),
                              .exported = options_.exported,
                              .log = layout_.launcher_log(action.attempt)});
    if (action.is_restart) display_.line(fmt::format("attempt {} starts", action.attempt));
  }
  void perform(const action::TellStop&) { leases_.tell("stop"); }
  void perform(const action::TakeStacks&) { leases_.tell("stacks"); }
  void perform(const action::TellKill&) { leases_.tell("kill"); }
  void perform(const action::ForceKill&) {
    if (launcher_ > 0) ::kill(launcher_, SIGKILL);
    sweep(environment::kAttemptTag, tag(), kSweepSeconds);
  }
  void perform(const action::StartGraceTimer&) { grace_timer_ = clock_.seconds() + options_.restart.stop_grace_seconds; }
  void perform(const action::StartStackTimer&) { stack_timer_ = clock_.seconds() + kStackSeconds; }
  void perform(const action::StartKillTimer&) { kill_timer_ = clock_.seconds() + kKillSeconds; }
  void perform(const action::StartDelay& action) {
    delay_timer_ = clock_.seconds() + action.seconds;
    if (action.seconds > 0) display_.line(fmt::format("waiting {:.1f} s before the next attempt", action.seconds));
  }
  void perform(const action::Journal& action) {
    nlohmann::json fields = action.fields;
    if (action.event == "rank_lost") {
      fields["attempt"] = supervision_.attempt();
      fields["injected"] = record_.take_injected_fault(action.fields.at("rank"));
      ExitRecord record = exit_record_from_json(action.fields);
      if (display_.has_just_shown(record.error)) record.error.clear();  // by another rank, or by rank 0's log
      display_.line(describe(record));
    }
    if (action.event == "hang") {
      const nlohmann::json& culprit = fields.at("culprits").at(0);
      fields["injected"] = record_.take_injected_fault(culprit.at("rank"));
      display_.line(fmt::format("rank {} hangs in section {} of step {}; its stacks are taken, then all ranks are started again",
                                culprit.at("rank").get<int>(), culprit.at("section").get<std::string>(),
                                culprit.at("step").get<std::int64_t>()));
    }
    journal_.write(action.event, std::move(fields));
  }
  void perform(const action::Finish& action) { finish_ = action.decision; }

  std::string tag() const { return fmt::format("{}-{}", token_, supervision_.attempt()); }

  int finish() {
    display_.clear();
    const double seconds = clock_.seconds() - started_at_;
    const bool is_done = finish_->kind == Decision::Kind::done;
    const nlohmann::json record = is_done ? record_.done() : nlohmann::json::object();
    journal_.write(is_done                                    ? "done"
                   : finish_->kind == Decision::Kind::stopped ? "stopped"
                                                              : "gave_up",
                   {{"exit_code", finish_->exit_code}, {"reason", finish_->reason}, {"seconds", seconds}, {"record", record}});
    if (finish_->kind == Decision::Kind::give_up)
      display_.line("gave up: " + (finish_->conclusion.empty() ? finish_->reason : finish_->conclusion) +
                    "\n  logs: " + (layout_.root / "logs").string());
    if (finish_->kind == Decision::Kind::stopped) display_.line(finish_->reason);
    display_.line(summary_table(supervision_.outcomes(), *finish_, seconds, record));
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
  RunRecord record_;
  Leases leases_;
  HangWatch watch_{options_.restart.hang};
  std::optional<SessionDirectory> session_;
  int signal_fd_ = -1;
  pid_t launcher_ = 0;
  int launcher_status_ = 0;
  std::optional<double> launcher_ended_at_, grace_timer_, stack_timer_, kill_timer_, delay_timer_;
  double awake_at_ = clock_.seconds();
  bool has_hung_ = false;  // in this attempt
  double next_ping_ = 0, started_at_ = 0;
  std::int64_t reached_step_ = 0;
  bool is_stop_requested_ = false;
  int urgent_signals_ = 0;
  std::optional<Decision> finish_;
};

}  // namespace

int supervise(const SupervisorOptions& options) { return Supervisor(options).run(); }

}  // namespace holdfast
