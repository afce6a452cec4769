#include "launch/hooks/hook_keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/exec_array.h"
#include "base/host.h"
#include "launch/hooks/descendants.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 20;
constexpr int kKillTickMilliseconds = 2;
constexpr std::size_t kKeptBytes = 64 << 10;   // of what it prints
constexpr std::size_t kBytesATick = 64 << 10;  // who floods waits for us, and leaves the cores to the ranks
constexpr double kKillSeconds = 2;
constexpr int kNiceness = 10;
constexpr int kNotFound = 127;

/// A text that a process can read as a file from its beginning, without anybody who writes it. -1: the system refuses.
int in_memory(const std::string& text) {
  const int fd = ::memfd_create("holdfast-hook", MFD_CLOEXEC);
  for (std::size_t done = 0; fd >= 0 && done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return ::close(fd), -1;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  if (fd >= 0) ::lseek(fd, 0, SEEK_SET);
  return fd;
}

/// That of `holdfast run`, without what belongs to a rank or to the supervisor of another run, and with what is given.
std::vector<std::string> environment_with(std::vector<std::string> given) {
  const std::array<std::string, 5> not_for_hooks = {environment::kToken, environment::kSupervisor, environment::kHeartbeatFd,
                                                    environment::kAttemptTag, environment::kRankTag};
  std::vector<std::string> out = std::move(given);
  const std::size_t count = out.size();
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry, name = text.substr(0, text.find('='));
    const bool is_given = std::any_of(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count),
                                      [&name](const std::string& one) { return one.starts_with(name + "="); });
    if (!is_given && std::find(not_for_hooks.begin(), not_for_hooks.end(), name) == not_for_hooks.end()) out.push_back(text);
  }
  return out;
}

[[noreturn]] void become(char* const* arguments, char* const* variables, pid_t keeper, int in, int out) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != keeper) ::_exit(kExitUnavailable);
  // The ranks come first, for the cores and when memory runs out.
  if (::nice(kNiceness) < 0) errno = 0;
  if (const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); score >= 0 && ::write(score, "500", 3) < 0) errno = 0;
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::close_range(3, ~0U, 0);
  ::execvpe(arguments[0], arguments, variables);
  ::dprintf(2, "cannot run %s: %s\n", arguments[0], std::strerror(errno));
  ::_exit(kNotFound);
}

class Keeper {
 public:
  Keeper(const HookPlan& plan, std::string hook) : plan_(plan), hook_(std::move(hook)) {}
  ~Keeper() {
    if (output_ >= 0) ::close(output_);
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  HookEnd run(const std::string& record) {
    adopt_orphans();
    HookEnd end{.hook = hook_};
    if (start(record)) {
      watch();
      const bool are_all_gone = end_descendants(kKillSeconds);  // what it has left behind
      read_output();
      describe(end, are_all_gone);
    } else {
      end.error = fmt::format("not started: {}", std::strerror(errno));
    }
    write_log(end);
    return end;
  }

 private:
  bool start(const std::string& record) {
    const std::vector<std::string>& command = command_of(plan_.options, hook_);
    std::vector<std::string> words = command.size() == 1 ? std::vector<std::string>{"/bin/sh", "-c", command.front()} : command;
    std::vector<std::string> variables = environment_with(
        {fmt::format("{}={}", environment::kRunDirectory, plan_.run_directory.string()), fmt::format("{}={}", environment::kHook, hook_)});
    const std::vector<char*> arguments = exec_array(words), environment = exec_array(variables);
    std::array<int, 2> ends = {-1, -1};
    const int input = in_memory(record + "\n");
    if (input < 0 || ::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    output_ = ends[0];
    ::fcntl(output_, F_SETFL, O_NONBLOCK);
    const pid_t keeper = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) become(arguments.data(), environment.data(), keeper, input, ends[1]);
    const int error = errno;
    ::close(input);
    ::close(ends[1]);
    errno = error;
    return pid_ > 0;
  }

  /// Until it has ended, or does not although it was killed.
  void watch() {
    while (!status_ && (why_killed_.empty() || seconds() - killed_at_ < kKillSeconds)) {
      pollfd supervisor{.fd = plan_.socket, .events = POLLRDHUP, .revents = 0};
      const bool is_told_to_end = ::poll(&supervisor, 1, why_killed_.empty() ? kTickMilliseconds : 0) > 0;
      if (!why_killed_.empty()) ::poll(nullptr, 0, kKillTickMilliseconds);  // what tells it to end does so all the time
      read_output();
      if (int status = 0; ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
      if (is_told_to_end) kill("with the end of `holdfast run`");
      if (seconds() > plan_.options.timeout_seconds)
        kill(fmt::format("after {:.1f} s (hooks.timeout_seconds: {:g})", seconds(), plan_.options.timeout_seconds));
    }
  }

  void kill(const std::string& why) {
    if (status_ || !why_killed_.empty()) return;
    why_killed_ = why;
    killed_at_ = seconds();
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // it may not have come to its group
  }

  void read_output() {
    std::array<char, 16 << 10> buffer{};
    for (std::size_t total = 0; total < kBytesATick;) {
      const ssize_t n = ::read(output_, buffer.data(), buffer.size());
      if (n <= 0) return;
      const auto bytes = static_cast<std::size_t>(n), kept = std::min(bytes, kKeptBytes - printed_.size());
      printed_.append(buffer.data(), kept);
      left_out_ += bytes - kept;
      total += bytes;
    }
  }

  void describe(HookEnd& end, bool are_all_gone) const {
    end.seconds = seconds();
    if (status_ && WIFEXITED(*status_)) end.exit_code = WEXITSTATUS(*status_);
    if (status_ && WIFSIGNALED(*status_)) end.signal = WTERMSIG(*status_);
    if (!why_killed_.empty())
      end.error = "killed " + why_killed_;
    else if (end.signal != 0)
      end.error = fmt::format("ended by signal {} ({})", end.signal, ::strsignal(end.signal));
    else if (end.exit_code != 0)
      end.error = fmt::format("exited with code {}", end.exit_code);
    if (!are_all_gone) end.error += (end.error.empty() ? "" : ", and ") + std::string("processes that it has started do not end");
  }

  /// In one write: others append, too. A log that cannot be written is no reason to hold anything up: the journal has the end.
  void write_log(const HookEnd& end) const {
    std::string text =
        fmt::format("{} {}: {}, {:.1f} s\n{}{}", utc_time(SystemClock().unix_seconds()), end.hook, end.error.empty() ? "ok" : end.error,
                    end.seconds, printed_, printed_.empty() || printed_.ends_with('\n') ? "" : "\n");
    if (left_out_ > 0) text += fmt::format("… {} more bytes of what it printed are left out\n", left_out_);
    std::error_code error;
    std::filesystem::create_directories(plan_.log.parent_path(), error);
    const int fd = ::open(plan_.log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    if (::write(fd, text.data(), text.size()) < 0) errno = 0;
    ::close(fd);
  }

  double seconds() const { return clock_.seconds() - started_at_; }

  const HookPlan& plan_;
  const std::string hook_;
  const SystemClock clock_;
  const double started_at_ = clock_.seconds();
  pid_t pid_ = 0;
  int output_ = -1;
  std::string printed_;
  std::size_t left_out_ = 0;
  std::string why_killed_;  // empty: it was not
  double killed_at_ = 0;
  std::optional<int> status_;
};

}  // namespace

HookEnd keep_hook(const HookPlan& plan, const std::string& hook, const std::string& record) noexcept {
  return Keeper(plan, hook).run(record);
}

}  // namespace holdfast
