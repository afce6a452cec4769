#include "launch/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/fence.h"
#include "base/host.h"
#include "base/run_lock.h"
#include "checkpoint/format/layout.h"
#include "launch/accounting.h"
#include "launch/attempt/leftovers.h"
#include "launch/attempt/standby.h"
#include "launch/attempt/sweep.h"
#include "launch/hosts/host_watch.h"
#include "launch/journal.h"
#include "launch/lease/open_files.h"
#include "launch/run_events.h"
#include "launch/run_record.h"
#include "launch/shim/device_records.h"
#include "launch/shim/log_tail.h"
#include "launch/stop_signals.h"
#include "launch/supervision.h"
#include "launch/supervisor_loop.h"
#include "launch/timer.h"
#include "launch/watch/rank_watch.h"

namespace holdfast {
namespace {

constexpr double kKillSeconds = 0.3;  // from telling the shims to kill to killing the launcher
constexpr double kSweepSeconds = 5;
constexpr double kStackSeconds = 3;  // a shim gives its rank's stacks less
constexpr std::size_t kLauncherLines = 20;

class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options)
      : options_(options),
        layout_{options.run_directory},
        token_(random_token()),
        lock_(layout_.lock(), token_),
        events_(layout_, options.hooks, clock_, [this] { ping_when_due(); }),
        told_before_(Journal::read(layout_.journal())),
        supervision_(options.restart, options.ranks, Journal::newest_attempt(told_before_) + 1),
        ranks_(options.restart),
        record_(*files_, layout_),
        hosts_(options, clock_, [this](const Event& event) { act_on(event); }),
        standby_(clock_,
                 {.start = [this](int attempt, Leases::Handlers handlers) { return start(attempt, std::move(handlers), Before::runs); },
                  .journal = [this](const std::string& event, const nlohmann::json& fields) { events_.happened(event, fields); }}) {}

  int run() try {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    allow_open_files(open_files_for(options_.ranks, options_.restart.standby));
    started_at_ = clock_.seconds();
    reached_at_start_ = reached_before_ = reached_step_of_unfinished(told_before_, times_left());
    const nlohmann::json start = {{"host", host_name()},
                                  {"pid", ::getpid()},
                                  {"ranks", options_.ranks},
                                  {"hosts", to_json(options_.hosts)},
                                  {"command", options_.command}};
    events_.happened("run_started", start, "run directory " + layout_.root.string());
    if (const int left = end_leftovers(layout_, kSweepSeconds); left > 0) events_.happened("leftovers", {{"processes", left}});
    hosts_.recall(std::exchange(told_before_, {}));
    hosts_.place_ranks();
    act_on(event::Start{record_.durable_step()});
    while (!finish_) wait_and_act();
    return finish();
  } catch (const Error& error) {
    if (processes_.leases) leases().tell("kill");
    events_.broke_off(error.what(), error.exit_code());
    events_.wait_for_hooks(signals_);
    throw;
  }

 private:
  // --- what happens ---

  Leases::Handlers handlers() {
    return {.joined =
                [this](int rank, const std::string& host) {
                  hosts_.joined(rank, host);
                  act_on(event::RankJoined{rank});
                },
            .said = [this](int rank, const nlohmann::json& message) { take_message(rank, message); },
            .lost =
                [this](int rank, const std::string& host) {
                  act_on(event::ShimLost{rank, host});
                  hosts_.suspect(rank, "its connections broke");
                },
            .silent =
                [this](int rank, const std::string& host, double seconds) {
                  act_on(event::ShimSilent{rank, host, seconds});
                  hosts_.suspect(rank, fmt::format("nothing was heard from it for {:.1f} s", seconds));
                }};
  }

  void wait_and_act() {
    ::poll(nullptr, 0, rest_milliseconds(hosts_.ranks()));
    std::vector<pollfd> waiting = {{.fd = signals_.fd(), .events = POLLIN, .revents = 0}};
    leases().add_to(waiting);
    standby_.add_to(waiting);
    ::poll(waiting.data(), waiting.size(), kLoopMilliseconds);
    ranks_.awake(clock_.seconds());
    signals_.take([this](bool is_first) { take_stop(is_first); });
    reap();
    leases().take_messages(supervision_.attempt());
    standby_.tick();
    if (supervision_.phase() == Supervision::Phase::ending && leases().have_all_ended()) leases().tell("release");
    take_timers();
    watch_for_hangs();
    events_.tell_ended_hooks();
    for (const int rank : leases().silent_for(hosts_.patience_seconds())) hosts_.ask_ahead(rank);
    hosts_.tick(supervision_.phase() == Supervision::Phase::running);
    if (supervision_.phase() == Supervision::Phase::ending && processes_.launcher == 0 && !launcher_ended_at_ &&
        leases().connected() == 0 && !hosts_.is_asking())
      all_gone();
  }

  void watch_for_hangs() {
    // A shim that says nothing tells nothing of its rank: the lease decides.
    if (supervision_.phase() != Supervision::Phase::running || !leases().silent_for(kSilenceSeconds).empty()) return;
    std::optional<Hang> hang = ranks_.check(clock_.seconds());
    if (!hang) return;
    const std::map<int, std::string> hosts = leases().hosts();
    for (Hang::Culprit& culprit : hang->culprits)
      if (const auto host = hosts.find(culprit.rank); host != hosts.end()) culprit.host = host->second;
    act_on(event::Hung{*hang});
  }

  void take_stop(bool is_first) {
    standby_.unwant();
    display().line(is_first ? "stop requested: the ranks checkpoint at the end of their step (once more: kill)" : "killing the ranks");
    act_on(event::StopSignal{});
  }

  void reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
      if (WIFSTOPPED(status)) {
        if (pid == processes_.launcher) continue_launcher();
        standby_.stopped(pid);
        continue;
      }
      hosts_.reaped(pid, status);
      standby_.reaped(pid);
      if (pid == processes_.launcher) {
        processes_.launcher = 0;
        launcher_status_ = status;
        launcher_ended_at_ = clock_.seconds();
      }
    }
    // The shims' last words may still be on their way: they explain more than the launcher's end.
    if (launcher_ended_at_ && (leases().connected() == 0 || clock_.seconds() - *launcher_ended_at_ > kKillSeconds)) {
      launcher_ended_at_.reset();
      if (supervision_.phase() == Supervision::Phase::running) hosts_.ask_who_has_not_called();
      act_on(event::LauncherEnded{launcher_status_});
    }
  }

  /// Ranks train on without it, but cannot end: MPI_Finalize waits for it.
  void continue_launcher() {
    note_stopped_launcher(host_name());
    ::kill(processes_.launcher, SIGCONT);
  }

  void note_stopped_launcher(const std::string& host) {
    events_.happened("launcher_stopped", {{"attempt", supervision_.attempt()}, {"host", host}});
  }

  void take_message(int rank, const nlohmann::json& message) {
    if (message.contains("times")) take_times(rank, message);  // beside the status
    if (message.contains("status")) {
      ranks_.take_status(rank, message["status"], clock_.seconds());
      const auto resumed = message["status"].value("resumed_step", std::int64_t{-2});
      if (rank == 0 && resumed >= -1) act_on(event::Resumed{resumed});
      if (rank == 0 && resumed >= -1 && options_.restart.standby && !signals_.is_stop_requested() &&
          supervision_.phase() == Supervision::Phase::running)
        standby_.want(supervision_.attempt() + 1, hosts_.ranks(), hosts_.placement());
      if (rank == 0) display().status(message["status"], supervision_.attempt(), static_cast<int>(supervision_.outcomes().size()));
    } else if (message.contains("log")) {
      display().line(message["log"].get<std::string>());
    } else if (message.contains("launcher_stopped")) {
      note_stopped_launcher(message["launcher_stopped"].at("host"));
    } else if (message.contains("stacks")) {
      const nlohmann::json& stacks = message["stacks"];
      act_on(event::StackTaken{rank, {.state = stacks.at("state"), .functions = stacks.at("functions"), .file = stacks.at("file")}});
    } else if (message.contains("exit")) {
      const ExitRecord record = exit_record_from_json(message["exit"]);
      ranks_.take_end(record, clock_.seconds());
      // A host that does not hear this one, and is still heard, is as good as lost.
      const bool has_lost_us = record.was_killed_by_us && record.error == kLeaseBroke;
      if (!has_lost_us) hosts_.ended(rank);
      act_on(event::RankEnded{record});
      if (has_lost_us) hosts_.suspect(rank, "nothing from here reached it");
    }
  }

  void take_times(int rank, const nlohmann::json& message) {
    for (const StragglerFinding& finding : ranks_.take_times(rank, message, clock_.seconds())) {
      const std::string host = ranks_.host_of(finding.rank);
      nlohmann::json fields = to_json(finding, host);
      fields["attempt"] = supervision_.attempt();
      events_.happened(finding.is_over ? "straggler_over" : "straggler", fields, describe(finding, host));
    }
  }

  LeftTimes times_left() {
    return [this](int attempt) { return left_times(*files_, layout_, attempt); };
  }

  void take_timers() {
    const double now = clock_.seconds();
    ping_when_due();
    if (grace_timer_.take(now)) act_on(event::GraceExpired{});
    if (stack_timer_.take(now)) act_on(event::StackDeadline{});
    if (kill_timer_.take(now)) act_on(event::KillDeadline{});
    if (delay_timer_.take(now)) {
      hosts_.place_ranks();
      act_on(event::DelayOver{});
    }
  }

  /// Without it the shims kill their ranks when the lease is over.
  void ping_when_due() {
    const double now = clock_.seconds();
    if (now < next_ping_) return;
    next_ping_ = now + std::min(kPingSeconds, options_.restart.lease_seconds / 4);
    if (processes_.leases) leases().tell("ping");
    standby_.ping();
  }

  void all_gone() {
    const int left = sweep(environment::kAttemptTag, processes_.tag, kSweepSeconds);
    if (left > 0) events_.happened("orphans", {{"attempt", supervision_.attempt()}, {"processes", left}});
    processes_.session.reset();
    for (Timer* timer : {&kill_timer_, &grace_timer_, &stack_timer_}) timer->stop();
    hosts_.end_attempt();
    act_on(event::AllGone{record_.is_done(), record_.durable_step(), ranks_.reached_step(),
                          last_lines(layout_.launcher_log(supervision_.attempt()), kLauncherLines)});
  }

  // --- what is done about it ---

  void act_on(const Event& event) {
    for (const Action& action : supervision_.on(event)) std::visit([this](const auto& one) { perform(one); }, action);
  }

  void perform(const action::Launch& action) {
    reached_before_ = std::max(reached_before_, ranks_.reached_step());
    record_.begin_attempt(action.attempt);
    raise_fence(*files_, layout_.fence(), fence_holder(tag_of(action.attempt)));  // before anybody of this attempt does anything
    ranks_.begin(hosts_.ranks(), clock_.seconds());
    hosts_.begin_attempt();
    if (is_standby_ready(action.attempt)) {
      processes_ = standby_.promote(reached_before_);
      leases().hand_over(handlers());
    } else {
      standby_.end_now();
      processes_ = start(action.attempt, handlers(), Before::over);
    }
    if (action.is_restart)
      display().line(fmt::format(
          "attempt {} starts{}", action.attempt,
          hosts_.placement().empty() ? "" : fmt::format(" with {} ranks on {}", hosts_.ranks(), to_string(hosts_.placement()))));
  }
  AttemptProcesses start(int attempt, Leases::Handlers handlers, Before before) {
    return start_attempt({.attempt = attempt,
                          .first_attempt = supervision_.first_attempt(),
                          .token = token_,
                          .tag = tag_of(attempt),
                          .began_at = began_,
                          .reached_step = reached_before_,
                          .before = before},
                         options_, hosts_, *files_, clock_, std::move(handlers));
  }
  void perform(const action::TellStop&) { leases().tell("stop"); }
  void perform(const action::TakeStacks&) { leases().tell("stacks"); }
  void perform(const action::TellKill&) { leases().tell("kill"); }
  void perform(const action::ForceKill&) {
    if (processes_.launcher > 0) ::kill(processes_.launcher, SIGKILL);
    sweep(environment::kAttemptTag, processes_.tag, kSweepSeconds);
  }
  void perform(const action::StartGraceTimer&) { grace_timer_.start(clock_.seconds(), options_.restart.stop_grace_seconds); }
  void perform(const action::StartStackTimer&) { stack_timer_.start(clock_.seconds(), kStackSeconds); }
  void perform(const action::StartKillTimer&) { kill_timer_.start(clock_.seconds(), kKillSeconds); }
  void perform(const action::StartDelay& action) {
    delay_timer_.start(clock_.seconds(), action.seconds);
    if (action.seconds > 0) display().line(fmt::format("waiting {:.1f} s before the next attempt", action.seconds));
  }
  void perform(const action::Journal& action) {
    nlohmann::json fields = action.fields;
    if (action.event == "attempt_started") {
      ranks_.begin_times(clock_.seconds());
      fields["is_standby"] = is_standby_ready(fields.at("attempt"));
    }
    if (action.event == "attempt_ended") {
      fields["times"] = ranks_.times(clock_.seconds());
      const std::string behind = who_is_behind(layout_, supervision_.attempt(), hosts_.ranks());
      if (!behind.empty() && !fields.at("cause").is_null()) fields["behind"] = behind;
    }
    if (action.event == "rank_lost") {
      fields["attempt"] = supervision_.attempt();
      fields["injected"] = record_.take_injected_fault(fields.at("rank"));
    }
    if (action.event == "hang") fields["injected"] = record_.take_injected_fault(fields.at("culprits").at(0).at("rank"));
    events_.happened(action.event, fields, "", action.can_wait ? Journal::Durability::with_next_line : Journal::Durability::now);
  }
  void perform(const action::Finish& action) { finish_ = action.decision; }

  std::string tag_of(int attempt) const { return fmt::format("{}-{}", token_, attempt); }
  Leases& leases() { return *processes_.leases; }
  Display& display() { return events_.display(); }
  bool is_standby_ready(int attempt) const { return standby_.is_ready(attempt, hosts_.ranks(), hosts_.placement()); }

  int finish() {
    standby_.end_now();
    display().clear();
    const double seconds = clock_.seconds() - started_at_;
    const bool is_done = finish_->kind == RestartDecision::Kind::done;
    const nlohmann::json record = is_done ? record_.done() : nlohmann::json::object();
    const nlohmann::json fields = {
        {"exit_code", finish_->exit_code}, {"reason", finish_->reason}, {"seconds", seconds}, {"record", record}};
    const std::string end(name_of(finish_->kind));
    events_.happened(end, fields);
    if (finish_->kind == RestartDecision::Kind::give_up)
      display().line("gave up: " + (finish_->conclusion.empty() ? finish_->reason : finish_->conclusion) +
                     "\n  logs: " + (layout_.root / "logs").string());
    if (finish_->kind == RestartDecision::Kind::stopped) display().line(finish_->reason);
    display().line(summary_table(supervision_.outcomes(), *finish_, reached_at_start_, seconds, record));
    const std::string goodput = goodput_line(account(newest_start(Journal::read(layout_.journal())), times_left()));
    if (!goodput.empty()) display().line(goodput);
    events_.wait_for_hooks(signals_);
    return finish_->exit_code;
  }

  const SupervisorOptions& options_;
  StopSignals signals_;  // before any thread
  RunLayout layout_;
  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::string token_;
  RunLock lock_;
  RunEvents events_;                         // before any thread, too
  std::vector<nlohmann::json> told_before_;  // by earlier supervisors, until this one has begun
  Supervision supervision_;
  RankWatch ranks_;
  RunRecord record_;
  HostWatch hosts_;
  AttemptProcesses processes_;
  Standby standby_;
  int launcher_status_ = 0;
  std::optional<double> launcher_ended_at_;
  Timer grace_timer_, stack_timer_, kill_timer_, delay_timer_;
  double next_ping_ = 0, started_at_ = 0;
  const double began_ = clock_.unix_seconds();
  std::int64_t reached_before_ = 0;    // by earlier attempts
  std::int64_t reached_at_start_ = 0;  // by those of a supervisor that was killed
  std::optional<RestartDecision> finish_;
};

}  // namespace

int supervise(const SupervisorOptions& options) { return Supervisor(options).run(); }

}  // namespace holdfast
