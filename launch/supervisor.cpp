#include "launch/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
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
#include "launch/attempt_times.h"
#include "launch/display.h"
#include "launch/hang_watch.h"
#include "launch/host_pool.h"
#include "launch/host_probe.h"
#include "launch/journal.h"
#include "launch/leases.h"
#include "launch/leftovers.h"
#include "launch/log_tail.h"
#include "launch/own_addresses.h"
#include "launch/run_record.h"
#include "launch/session_directory.h"
#include "launch/stragglers.h"
#include "launch/supervision.h"
#include "launch/sweep.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 50;
constexpr double kKillSeconds = 0.3;  // from telling the shims to kill to killing the launcher
constexpr double kSweepSeconds = 5;
constexpr double kPingSeconds = 1;
constexpr double kStackSeconds = 3;      // a shim gives its rank's stacks less
constexpr double kStallSeconds = 1;      // twenty ticks: this process was not running in between
constexpr double kSilenceSeconds = 1.5;  // seven words of a shim are missing
constexpr std::size_t kLauncherLines = 20;
constexpr double kCallSeconds = 10;    // from the start of an attempt over several hosts to asking after those that have not called
constexpr double kStartSeconds = 120;  // in which all ranks must have called

/// Signals that ask for a stop. SIGHUP is left out where it is ignored (nohup).
int open_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) ::sigaddset(&signals, number);
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

std::vector<std::string> other_hosts(const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const Host& host : hosts)
    if (!is_this_host(host.name)) names.push_back(host.name);
  return names;
}

nlohmann::json to_json(const Placement& placement) {
  nlohmann::json hosts = nlohmann::json::array();
  for (const Host& host : placement) hosts.push_back({{"host", host.name}, {"ranks", host.slots}});
  return hosts;
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
        stragglers_(options.restart.straggler_factor),
        display_(STDOUT_FILENO, ::isatty(STDOUT_FILENO)),
        record_(*files_, layout_),
        other_hosts_(other_hosts(options.hosts)),
        pool_(other_hosts_.empty() ? std::vector<Host>() : options.hosts,
              {options.ranks, static_cast<int>(options.restart.min_ranks.value_or(options.ranks))}, options.restart.probation_seconds),
        probe_(options.agent),
        leases_(clock_, token_,
                {.joined =
                     [this](int rank, const std::string& host) {
                       pool_.joined(rank, host);
                       act_on(event::RankJoined{rank});
                     },
                 .said = [this](int rank, const nlohmann::json& message) { take_message(rank, message); },
                 .lost =
                     [this](int rank, const std::string& host) {
                       act_on(event::ShimLost{rank, host});
                       suspect(rank, "its connections broke");
                     },
                 .silent =
                     [this](int rank, const std::string& host, double seconds) {
                       act_on(event::ShimSilent{rank, host, seconds});
                       suspect(rank, fmt::format("nothing was heard from it for {:.1f} s", seconds));
                     }},
                {other_hosts_.empty() ? Reach::this_host : Reach::every_host, options.restart.lease_seconds}) {}

  int run() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal_fd_ = open_signals();
    started_at_ = clock_.seconds();
    reached_before_ = reached_step_of_unfinished(Journal::read(layout_.journal()), times_left());
    display_.line("run directory " + layout_.root.string());
    journal_.write("run_started", {{"host", host_name()},
                                   {"pid", ::getpid()},
                                   {"ranks", options_.ranks},
                                   {"hosts", to_json(options_.hosts)},
                                   {"command", options_.command}});
    if (const int left = end_leftovers(layout_, kSweepSeconds); left > 0) {
      display_.line(fmt::format("{} processes of an attempt whose supervisor was killed were still there; they are ended", left));
      journal_.write("leftovers", {{"processes", left}});
    }
    recall_lost_hosts();
    place_ranks();
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
    take_answers();
    if (supervision_.phase() == Supervision::Phase::ending && launcher_ == 0 && !launcher_ended_at_ && leases_.connected() == 0 &&
        !probe_.is_asking())
      all_gone();
  }

  void forgive_own_stall() {
    const double now = clock_.seconds();
    if (now - awake_at_ > kStallSeconds) watch_.forgive(now);
    awake_at_ = now;
  }

  void watch_for_hangs() {
    if (supervision_.phase() != Supervision::Phase::running || has_hung_) return;
    if (leases_.longest_silence() > kSilenceSeconds) return;  // a shim that says nothing tells nothing of its rank: the lease decides
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
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
      if (WIFSTOPPED(status)) {
        if (pid == launcher_) continue_launcher();
        continue;
      }
      probe_.reaped(pid, status);
      if (pid == launcher_) {
        launcher_ = 0;
        launcher_status_ = status;
        launcher_ended_at_ = clock_.seconds();
      }
    }
    // The shims' last words may still be on their way: they explain more than the launcher's end.
    if (launcher_ended_at_ && (leases_.connected() == 0 || clock_.seconds() - *launcher_ended_at_ > kKillSeconds)) {
      launcher_ended_at_.reset();
      if (supervision_.phase() == Supervision::Phase::running) ask_who_has_not_called();
      act_on(event::LauncherEnded{launcher_status_});
    }
  }

  /// USR1 and USR2 are sent by schedulers and scripts, ahead of a TERM and more than once: only the second of the others is a person's
  /// haste.
  void take_stop_signal(int number) {
    const bool is_first = !std::exchange(is_stop_requested_, true);
    const bool is_ahead = number == SIGUSR1 || number == SIGUSR2;
    if (!is_ahead) ++urgent_signals_;
    const bool is_haste = !is_ahead && urgent_signals_ > 1;
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
    } else if (message.contains("times")) {
      take_times(rank, message);
    } else if (message.contains("log")) {
      display_.line(message["log"].get<std::string>());
    } else if (message.contains("stacks")) {
      const nlohmann::json& stacks = message["stacks"];
      act_on(event::StackTaken{rank, {.state = stacks.at("state"), .functions = stacks.at("functions"), .file = stacks.at("file")}});
    } else if (message.contains("exit")) {
      const ExitRecord record = exit_record_from_json(message["exit"]);
      reached_step_ = std::max(reached_step_, record.global_step);
      watch_.ended(rank);
      times_.ended(rank, clock_.seconds());
      // A host that does not hear this one, and is still heard, is as good as lost.
      const bool has_lost_us = record.was_killed_by_us && record.error == kLeaseBroke;
      if (!has_lost_us) pool_.ended(rank);
      act_on(event::RankEnded{record});
      if (has_lost_us) suspect(rank, "nothing from here reached it");
    }
  }

  void take_times(int rank, const nlohmann::json& message) {
    const double now = clock_.seconds();
    const std::string host = message.value("host", "");
    const std::optional<TimeRecord> times = time_record_from_json(message["times"]);
    if (!times) return;
    times_.heard(rank, host, *times, now);
    for (const StragglerFinding& finding : stragglers_.on(rank, times->completed_step, times->busy_seconds, now)) {
      display_.line(describe(finding, times_.host_of(finding.rank)));
      nlohmann::json fields = to_json(finding, times_.host_of(finding.rank));
      fields["attempt"] = supervision_.attempt();
      journal_.write(finding.is_over ? "straggler_over" : "straggler", std::move(fields));
    }
  }

  LeftTimes times_left() {
    return [this](int attempt) { return left_times(*files_, layout_, attempt); };
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
    if (is_over(call_timer_) && supervision_.phase() == Supervision::Phase::running && !pool_.never_called().empty()) {
      ask_who_has_not_called();
      call_timer_ = now + kCallSeconds;
    }
    if (is_over(start_timer_) && !pool_.never_called().empty()) act_on(event::StartExpired{kStartSeconds});
    if (is_over(delay_timer_)) {
      place_ranks();
      act_on(event::DelayOver{});
    }
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
    for (std::optional<double>* timer : {&kill_timer_, &grace_timer_, &stack_timer_, &call_timer_, &start_timer_}) timer->reset();
    suspicions_.clear();
    act_on(event::AllGone{record_.is_done(), record_.durable_step(), reached_step_,
                          last_lines(layout_.launcher_log(supervision_.attempt()), kLauncherLines)});
  }

  // --- hosts ---

  /// All that a host had of this attempt is gone without a word: is it the host that is gone?
  void suspect(int rank, const std::string& evidence) {
    if (const std::optional<std::string> host = pool_.gone(rank)) ask_after(*host, evidence);
  }

  void ask_after(const std::string& host, const std::string& evidence, double seconds = HostProbe::kSeconds) {
    if (std::find(other_hosts_.begin(), other_hosts_.end(), host) == other_hosts_.end()) return;
    suspicions_[host] = evidence;
    probe_.ask(host, clock_.seconds(), seconds);
  }

  void ask_who_has_not_called() {
    for (const std::string& host : pool_.never_called())
      ask_after(host, "none of its ranks has called", kCallSeconds);  // starting programs keeps a host busy
  }

  void take_answers() {
    for (const HostProbe::Answer& answer : probe_.answers(clock_.seconds())) {
      const auto suspicion = suspicions_.find(answer.host);
      if (answer.is_there || suspicion == suspicions_.end()) continue;
      pool_.lose(answer.host, clock_.unix_seconds());
      act_on(event::HostLost{answer.host, pool_.ranks_on(answer.host),
                             fmt::format("{}, and `{}` failed", suspicion->second, probe_.command_for(answer.host))});
      suspicions_.erase(suspicion);
    }
  }

  /// What an earlier supervisor of the run has learned.
  void recall_lost_hosts() {
    for (const nlohmann::json& line : Journal::read(layout_.journal()))
      if (line.value("event", "") == "host_lost") pool_.lose(line.value("host", ""), line.value("unix_seconds", 0.0));
  }

  /// Decides where the next attempt runs. Where the hosts that are left do not suffice, those on probation are asked: one that answers is
  /// tried earlier. Takes up to HostProbe::kSeconds then.
  void place_ranks() {
    if (pool_.is_empty()) return;
    std::optional<Placement> placement = pool_.place_next(clock_.unix_seconds());
    const std::vector<std::string> lost = pool_.lost(clock_.unix_seconds());
    if (!placement && !lost.empty()) {
      for (const std::string& host : lost) probe_.ask(host, clock_.seconds());
      while (probe_.is_asking()) {
        int status = 0;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) probe_.reaped(pid, status);
        for (const HostProbe::Answer& answer : probe_.answers(clock_.seconds()))
          if (answer.is_there) pool_.pardon(answer.host);
        ::poll(nullptr, 0, kTickMilliseconds / 5);
      }
      for (const HostProbe::Answer& answer : probe_.answers(clock_.seconds()))
        if (answer.is_there) pool_.pardon(answer.host);
      placement = pool_.place_next(clock_.unix_seconds());
    }
    if (placement)
      act_on(event::Placed{slots_of(*placement), to_json(*placement)});
    else
      act_on(event::TooFewHosts{too_few_hosts()});
  }

  std::string too_few_hosts() const {
    const std::vector<std::string> lost = pool_.lost(clock_.unix_seconds());
    return to_string(ErrorText{.attempted = "find hosts for the next attempt",
                               .expected = fmt::format("slots for {} ranks", options_.restart.min_ranks.value_or(options_.ranks)),
                               .found = fmt::format("{} without a host, as {} {} lost and not back", to_string(options_.hosts),
                                                    fmt::join(lost, ", "), lost.size() == 1 ? "is" : "are"),
                               .next = "start again when there are hosts; with restart.min_ranks it goes on with fewer ranks"});
  }

  // --- what is done about it ---

  void act_on(const Event& event) {
    for (const Action& action : supervision_.on(event)) std::visit([this](const auto& one) { perform(one); }, action);
  }

  void perform(const action::Launch& action) {
    reached_before_ = std::max(reached_before_, reached_step_);
    reached_step_ = 0;
    record_.begin_attempt(action.attempt);
    make_directories(*files_, layout_.attempt_logs(action.attempt));
    raise_fence(*files_, layout_.fence(), fence_holder(tag()));  // before anybody of this attempt runs
    session_.emplace(*files_, layout_.root, action.attempt);
    has_hung_ = false;
    const int ranks = pool_.is_empty() ? options_.ranks : slots_of(pool_.placement());
    watch_.begin(ranks, clock_.seconds());
    stragglers_.begin(ranks);
    if (!other_hosts_.empty()) call_timer_ = clock_.seconds() + kCallSeconds, start_timer_ = clock_.seconds() + kStartSeconds;
    launcher_ = start_mpirun({.ranks = ranks,
                              .hosts = pool_.placement(),
                              .agent = options_.agent,
                              .shim = options_.shim,
                              .command = options_.command,
                              .variables = {{environment::kSupervisor, lease_addresses()},
                                            {environment::kToken, token_},
                                            {environment::kAttempt, std::to_string(action.attempt)},
                                            {environment::kFirstAttempt, std::to_string(supervision_.first_attempt())},
                                            {environment::kStarted, fmt::format("{:.3f}", began_)},
                                            {environment::kReachedStep, std::to_string(reached_before_)},
                                            {environment::kRunDirectory, layout_.root.string()},
                                            {environment::kLeaseSeconds, fmt::format("{}", options_.restart.lease_seconds)},
                                            {environment::kAttemptTag, tag()},
                                            {environment::kSession, host_name() + ":" + session_->path().string()}},
                              .own_variables = session_->variables(),
                              .exported = options_.exported,
                              .log = layout_.launcher_log(action.attempt)});
    if (action.is_restart)
      display_.line(fmt::format(
          "attempt {} starts{}", action.attempt,
          pool_.is_empty() ? "" : fmt::format(" with {} ranks on {}", slots_of(pool_.placement()), to_string(pool_.placement()))));
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
    if (action.event == "attempt_started") times_.begin(clock_.seconds());
    if (action.event == "attempt_ended") fields["times"] = times_.take(clock_.seconds());
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
    if (action.event == "host_lost") display_.line(fields["error"].get<std::string>());
    journal_.write(action.event, std::move(fields));
  }
  void perform(const action::Finish& action) { finish_ = action.decision; }

  /// Where the shims call: at every address by which other hosts may reach this one.
  std::string lease_addresses() const {
    if (other_hosts_.empty()) return leases_.address();
    std::vector<std::string> addresses = own_addresses(other_hosts_);
    for (std::string& address : addresses) address += fmt::format(":{}", leases_.port());
    return fmt::format("{}", fmt::join(addresses, ","));
  }

  std::string tag() const { return fmt::format("{}-{}", token_, supervision_.attempt()); }

  int finish() {
    display_.clear();
    const double seconds = clock_.seconds() - started_at_;
    const bool is_done = finish_->kind == RestartDecision::Kind::done;
    const nlohmann::json record = is_done ? record_.done() : nlohmann::json::object();
    journal_.write(is_done                                           ? "done"
                   : finish_->kind == RestartDecision::Kind::stopped ? "stopped"
                                                                     : "gave_up",
                   {{"exit_code", finish_->exit_code}, {"reason", finish_->reason}, {"seconds", seconds}, {"record", record}});
    if (finish_->kind == RestartDecision::Kind::give_up)
      display_.line("gave up: " + (finish_->conclusion.empty() ? finish_->reason : finish_->conclusion) +
                    "\n  logs: " + (layout_.root / "logs").string());
    if (finish_->kind == RestartDecision::Kind::stopped) display_.line(finish_->reason);
    display_.line(summary_table(supervision_.outcomes(), *finish_, seconds, record));
    const std::string goodput = goodput_line(account(newest_start(Journal::read(layout_.journal())), times_left()));
    if (!goodput.empty()) display_.line(goodput);
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
  AttemptTimes times_;
  Stragglers stragglers_;
  Display display_;
  RunRecord record_;
  std::vector<std::string> other_hosts_;
  HostPool pool_;
  HostProbe probe_;
  std::map<std::string, std::string> suspicions_;  // host to evidence
  Leases leases_;
  HangWatch watch_{options_.restart.hang};
  std::optional<SessionDirectory> session_;
  int signal_fd_ = -1;
  pid_t launcher_ = 0;
  int launcher_status_ = 0;
  std::optional<double> launcher_ended_at_, grace_timer_, stack_timer_, kill_timer_, delay_timer_, call_timer_, start_timer_;
  double awake_at_ = clock_.seconds();
  bool has_hung_ = false;  // in this attempt
  double next_ping_ = 0, started_at_ = 0;
  const double began_ = clock_.unix_seconds();
  std::int64_t reached_step_ = 0;
  bool is_stop_requested_ = false;
  int urgent_signals_ = 0;
  std::int64_t reached_before_ = 0;  // by earlier attempts
  std::optional<RestartDecision> finish_;
};

}  // namespace

int supervise(const SupervisorOptions& options) { return Supervisor(options).run(); }

}  // namespace holdfast
