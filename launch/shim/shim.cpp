#include "launch/shim/shim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/exec_array.h"
#include "base/flight_record.h"
#include "base/heartbeat.h"
#include "base/host.h"
#include "base/process_files.h"
#include "base/times_file.h"
#include "checkpoint/format/layout.h"
#include "launch/attempt/session_directory.h"
#include "launch/hosts/host_list.h"
#include "launch/lease/join.h"
#include "launch/lease/status_word.h"
#include "launch/lease/word_seconds.h"
#include "launch/shim/exit_record.h"
#include "launch/shim/guardian.h"
#include "launch/shim/log_tail.h"
#include "launch/shim/memory_kill.h"
#include "launch/stop_signals.h"
#include "launch/watch/stack_taker.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 200;
constexpr double kReleaseSeconds = 2;
constexpr double kTimesSeconds = 5;    // how old the times on disk may be
constexpr double kMemorySeconds = 10;  // a rank that the kernel kills is gone within that
constexpr double kLauncherSeconds = 1;
constexpr double kStallSeconds = 2;  // ten ticks: this process was not running in between
constexpr std::size_t kLastLines = 20;

/// The supervisor makes and removes the one of its own host.
Path session_on_this_host() {
  const std::string text = environment::get(environment::kSession).value_or("");
  const std::size_t colon = text.find(':');
  return colon == text.npos || is_same_host(text.substr(0, colon), host_name()) ? Path() : Path(text.substr(colon + 1));
}

class Shim {
 public:
  explicit Shim(std::vector<std::string> command)
      : command_(std::move(command)),
        rank_(environment::launcher_rank()),
        is_standby_(environment::get(environment::kStandby).has_value()),
        attempt_(environment::get_number(environment::kAttempt, 1)),
        word_seconds_(word_seconds(environment::launcher_size())),
        lease_seconds_(std::atof(environment::get(environment::kLeaseSeconds).value_or("5").c_str())),
        layout_{environment::get(environment::kRunDirectory).value_or(".")},
        rank_tag_(fmt::format("{}/{}", environment::get(environment::kAttemptTag).value_or(random_token()), rank_)),
        session_(session_on_this_host()),
        guardian_(rank_tag_, session_),
        heartbeat_(Heartbeat::create()) {}

  int run() {
    block_signals();
    launcher_ = ::getppid();
    ::prctl(PR_SET_PDEATHSIG, SIGHUP);  // of the launcher's death
    if (::getppid() != launcher_) throw Error("start the rank: its launcher is gone\n  next: start the run again", kExitUnavailable);
    connect();
    // Only now: the shim of an attempt that is over, which a slow launcher has started, is refused above; it would remove the directory
    // of the attempt that runs.
    if (!session_.empty()) enter_session_directory(*files_, session_, is_standby_ ? Before::runs : Before::over);
    make_directories(*files_, layout_.attempt_logs(attempt_));
    log_.emplace(layout_.rank_log(attempt_, rank_));
    start_rank();
    guardian_.watch(pid_);
    if (lease_) lease_->send({{"started", {{"pid", pid_}}}});
    for (const nlohmann::json& message : heard_early_) handle_message(message);
    while (!status_) wait_and_act();
    report_end();
    wait_for_release();
    const int status = *status_;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  void block_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::sigaddset(&signals, number);
    ::sigprocmask(SIG_BLOCK, &signals, &old_mask_);
    ::signal(SIGPIPE, SIG_IGN);  // a dead guardian or supervisor is no reason to die before the rank's end is written down
    signal_fd_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  }

  void connect() {
    const auto address = environment::get(environment::kSupervisor);
    if (!address) return;
    Joined joined = join(*address,
                         {{"hello",
                           {{"token", environment::get(environment::kToken).value_or("")},
                            {"attempt", attempt_},
                            {"rank", rank_},
                            {"host", host_name()},
                            {"pid", ::getpid()}}}},
                         lease_seconds_);
    lease_ = std::move(joined.line);
    if (!lease_)
      throw Error(to_string({.attempted = "reach the supervisor at " + *address, .found = "no answer", .next = "start the run again"}),
                  kExitUnavailable);
    lease_->set_patience(lease_seconds_);
    heard_early_ = std::move(joined.heard_so_far);
    heard_at_ = clock_.seconds();
  }

  void start_rank() {
    const std::string log = layout_.rank_log(attempt_, rank_).string(), heartbeat_fd = std::to_string(heartbeat_->fd());
    int ends[2] = {-1, -1};
    if (is_standby_ && ::pipe2(ends, O_CLOEXEC) != 0)
      throw StorageError(ErrorText{.attempted = "make a pipe", .cause = std::strerror(errno)});
    const std::string standby_fd = std::to_string(ends[0]);
    const std::vector<char*> arguments = exec_array(command_);
    const pid_t shim = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw StorageError(ErrorText{.attempted = "start the rank", .cause = std::strerror(errno)});
    if (pid_ > 0) {
      ::setpgid(pid_, pid_);
      if (is_standby_) ::close(ends[0]);
      promotion_fd_ = ends[1];
      return;
    }
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_PTRACER, shim);                       // where Yama asks for it: the shim's StackTaker is no ancestor of the rank
    if (::getppid() != shim) ::_exit(kExitUnavailable);  // it died before the line above
    ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::setenv(environment::kHeartbeatFd, heartbeat_fd.c_str(), 1);
    ::setenv(environment::kRankTag, rank_tag_.c_str(), 1);
    ::unsetenv(environment::kStandby);
    if (is_standby_) {
      ::setenv(environment::kStandbyFd, standby_fd.c_str(), 1);
      ::fcntl(ends[0], F_SETFD, 0);
    }
    const int out = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644), in = ::open("/dev/null", O_RDONLY);
    if (out < 0) ::_exit(kExitStorage);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execvp(arguments[0], arguments.data());
    ::dprintf(2, "holdfast rank: cannot run %s: %s\n", arguments[0], std::strerror(errno));
    ::_exit(errno == ENOENT ? kExitUsage : kExitSoftware);
  }

  void wait_and_act() {
    pollfd waiting[2] = {{.fd = signal_fd_, .events = POLLIN, .revents = 0},
                         {.fd = lease_ ? lease_->fd() : -1, .events = POLLIN, .revents = 0}};
    ::poll(waiting, 2, milliseconds_until(told_at_ + word_seconds_, clock_.seconds(), kTickMilliseconds));
    forgive_own_stall();
    signalfd_siginfo info{};
    while (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) handle_signal(static_cast<int>(info.ssi_signo));
    if (lease_) {
      lease_->receive([this](const nlohmann::json& message) { handle_message(message); });
      if (!lease_->is_open() || clock_.seconds() - heard_at_ > lease_seconds_) kill_rank(kLeaseBroke);
    }
    if (clock_.seconds() - told_at_ >= word_seconds_) {
      if (lease_ && (is_standby_ || heartbeat_->block().is_standing_by != 0))
        tell_of_standby();
      else
        tell_status();
    }
    if (const auto stacks = stacks_.take(clock_.seconds()); stacks && lease_) lease_->send({{"stacks", *stacks}});
    pass_stop_on();
    continue_launcher();
    if (!status_ && clock_.seconds() - counted_at_ >= kMemorySeconds) {
      counted_at_ = clock_.seconds();
      memory_kills_.renew();
    }
  }

  /// A machine that stood still (overloaded, suspended) holds up both ends: what the supervisor says next deserves to be heard.
  void forgive_own_stall() {
    const double now = clock_.seconds();
    if (now - awake_at_ > kStallSeconds) heard_at_ = std::max(heard_at_, now - lease_seconds_ + kStallSeconds);
    awake_at_ = now;
  }

  /// On another host than the supervisor's, who looks after mpirun itself: ranks train on without its daemon, but cannot end.
  void continue_launcher() {
    if (session_.empty() || clock_.seconds() - looked_at_ < kLauncherSeconds) return;
    looked_at_ = clock_.seconds();
    if (process_state(launcher_) != 'T' || ::kill(launcher_, SIGCONT) != 0) return;
    if (lease_) lease_->send({{"launcher_stopped", {{"host", host_name()}}}});
  }

  /// To the rank only, not to what it started; and not before the rank can do something about it.
  void pass_stop_on() {
    if (is_stop_wanted_ && !status_ && heartbeat_->block().takes_stop_requests != 0 && !std::exchange(is_stop_told_, true))
      ::kill(pid_, SIGTERM);
  }

  void handle_signal(int number) {
    if (number == SIGCHLD) {
      reap_rank();
    } else if (number == SIGHUP) {
      kill_rank(kLauncherDied);
    } else if (stop_requests_.add(number, clock_.seconds()) == StopRequests::Meaning::haste) {
      kill_rank("a second signal asked for the end");
    } else {
      is_stop_wanted_ = true;
    }
  }

  void reap_rank() {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid_) return;
    // While the rank is not reaped the number of its process group cannot become another's.
    ::kill(-pid_, SIGKILL);
    guardian_.forget_group();
    int status = 0;
    if (::waitpid(pid_, &status, 0) == pid_) status_ = status;
    ended_at_ = clock_.seconds();
  }

  void handle_message(const nlohmann::json& message) {
    heard_at_ = clock_.seconds();
    const std::string command = message.value("command", "");
    if (command == "stop") is_stop_wanted_ = true;
    if (command == "stacks") stacks_.start(pid_, layout_.stacks(attempt_, rank_), clock_.seconds());
    if (command == "kill") kill_rank("");
    if (command == "release") is_released_ = true;
    if (command == "promote" && std::exchange(is_standby_, false)) promote(message.at("reached_step"));
  }

  /// A rank that has not come to where it waits will find the word there.
  void promote(std::int64_t reached_step) {
    static_cast<void>(::write(promotion_fd_, &reached_step, sizeof reached_step));
    ::close(promotion_fd_);
  }

  void tell_of_standby() {
    told_at_ = clock_.seconds();
    const bool is_ready = heartbeat_->block().is_standing_by != 0;
    if (is_ready && standby_bytes_ == 0) standby_bytes_ = private_bytes(pid_);
    lease_->send({{"standby", {{"is_ready", is_ready}, {"private_bytes", standby_bytes_}}}});
  }

  void kill_rank(const std::string& why) {
    if (status_ || std::exchange(was_killed_, true)) return;
    if (!why.empty()) heartbeat_->set_error(why);
    ::kill(-pid_, SIGKILL);
  }

  void write_times(const TimeRecord& times) {
    wrote_times_at_ = clock_.seconds();
    write_times_file(layout_.rank_times(attempt_, rank_), {rank_, host_name(), clock_.unix_seconds(), status_.has_value(), times});
  }

  void tell_status() {
    told_at_ = clock_.seconds();
    const HeartbeatBlock& block = heartbeat_->block();
    const std::optional<TimeRecord> times = read_times(block.times, ended_at_.value_or(told_at_));
    if (times && (status_ || told_at_ - wrote_times_at_ >= kTimesSeconds)) write_times(*times);
    if (!lease_) return;
    lease_->send(status_word(block, times, host_name()));
    if (rank_ == 0 && !lease_->is_behind())
      for (const std::string& line : log_->new_lines()) lease_->send({{"log", line}});
  }

  void report_end() {
    tell_status();  // the last lines of the log too
    const HeartbeatBlock& block = heartbeat_->block();
    const bool is_sigkill = WIFSIGNALED(*status_) && WTERMSIG(*status_) == SIGKILL && !was_killed_;
    const std::optional<std::string> killer = is_sigkill ? memory_kills_.killer() : std::nullopt;
    const ExitRecord record{.rank = rank_,
                            .host = host_name(),
                            .pid = pid_,
                            .exit_code = WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 0,
                            .signal = WIFSIGNALED(*status_) ? WTERMSIG(*status_) : 0,
                            .section = std::string(name_of(static_cast<Section>(block.section.load()))),
                            .step = block.step,
                            .global_step = block.global_step,
                            .saving_step = block.saving_step,
                            .collectives = block.collectives,
                            .is_inside_collective = block.is_inside_collective != 0,
                            .error = heartbeat_->error(),
                            .last_lines = last_lines(layout_.rank_log(attempt_, rank_), kLastLines),
                            .was_killed_by_us = was_killed_,
                            .is_futile = block.is_futile != 0,
                            .stops_run = block.stops_run != 0,
                            .is_out_of_memory = killer.has_value(),
                            .evidence = killer.value_or(is_sigkill ? "killed, sender unknown" : "")};
    const nlohmann::json json = to_json(record);
    // Before the others hear of it: they may end this shim then. Not synced, which could take longer than they wait: the
    // supervisor's journal says the same and is.
    const Path path = layout_.exit_record(attempt_, rank_), unfinished = path.string() + ".tmp";
    std::ofstream(unfinished) << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    std::error_code failed;
    std::filesystem::rename(unfinished, path, failed);
    if (!record.is_clean()) write_device_record(layout_.operations(attempt_, rank_), block.operations, rank_, record.error);
    if (lease_) lease_->send({{"exit", json}});
  }

  /// The launcher ends every other rank as soon as this shim ends: first the supervisor hears of all of them.
  void wait_for_release() {
    const double end = clock_.seconds() + kReleaseSeconds;
    while (lease_ && lease_->is_open() && !is_released_ && clock_.seconds() < end) {
      pollfd waiting{.fd = lease_->fd(), .events = POLLIN, .revents = 0};
      ::poll(&waiting, 1, kTickMilliseconds);
      lease_->receive([this](const nlohmann::json& message) { handle_message(message); });
    }
  }

  std::vector<std::string> command_;
  int rank_;
  bool is_standby_;  // nobody has said yet that the attempt before is over
  int attempt_;
  double word_seconds_;
  double lease_seconds_;
  RunLayout layout_;
  std::string rank_tag_;
  Path session_;       // of mpirun, where the supervisor is on another host
  Guardian guardian_;  // before anything else is opened: it inherits what is there
  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::unique_ptr<Heartbeat> heartbeat_;
  std::unique_ptr<LineConnection> lease_;
  std::vector<nlohmann::json> heard_early_;
  std::optional<LogTail> log_;
  StackTaker stacks_;
  MemoryKills memory_kills_;  // before the rank starts
  sigset_t old_mask_{};
  int signal_fd_ = -1;
  pid_t launcher_ = 0;  // mpirun, or its daemon on this host
  pid_t pid_ = 0;
  int promotion_fd_ = -1;           // where a rank that stands by waits for the word
  std::int64_t standby_bytes_ = 0;  // what that rank costs; 0: not known yet
  std::optional<int> status_;
  std::optional<double> ended_at_;
  StopRequests stop_requests_;
  bool is_stop_wanted_ = false, is_stop_told_ = false, was_killed_ = false, is_released_ = false;
  double heard_at_ = 0, told_at_ = 0, looked_at_ = 0, wrote_times_at_ = 0, awake_at_ = clock_.seconds(), counted_at_ = awake_at_;
};

}  // namespace

int run_shim(const std::vector<std::string>& command) { return Shim(command).run(); }

}  // namespace holdfast
