#include "base/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <optional>

#include "base/clock.h"
#include "base/exec_array.h"
#include "base/reap.h"

namespace holdfast {
namespace {

constexpr double kKillSeconds = 1;

/// What comes out of `fd` until it is closed. False: the time was over before.
bool read_until(int fd, double end, std::string& text) {
  constexpr double kLongestWait = 3600;
  const SystemClock clock;
  for (;;) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const double left = end - clock.seconds();
    if (left <= 0) return false;
    if (::poll(&waiting, 1, static_cast<int>(std::ceil(std::min(left, kLongestWait) * 1000))) <= 0) continue;
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

/// In a process group of its own where it may have to be killed with what it has started; else the terminal's Ctrl-C is for it, too.
int spawn(std::vector<std::string>& words, int output, const ProgramOptions& options, pid_t& child) {
  const std::vector<char*> arguments = exec_array(words);
  posix_spawn_file_actions_t redirection;
  ::posix_spawn_file_actions_init(&redirection);
  ::posix_spawn_file_actions_adddup2(&redirection, output, STDOUT_FILENO);
  if (options.takes_errors) ::posix_spawn_file_actions_adddup2(&redirection, output, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  if (std::isfinite(options.seconds)) {
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setpgroup(&attributes, 0);
  }
  const int error = ::posix_spawnp(&child, arguments[0], &redirection, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&redirection);
  return error;
}

}  // namespace

ProgramEnd run_program(std::vector<std::string> words, const ProgramOptions& options) {
  ProgramEnd end;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {.start_error = errno};
  pid_t child = 0;
  end.start_error = spawn(words, ends[1], options, child);
  ::close(ends[1]);
  if (end.start_error == 0) {
    const double limit = SystemClock().seconds() + options.seconds;
    end.was_in_time = read_until(ends[0], limit, end.output);
    std::optional<int> status;
    // It may have closed its output and live on.
    if (end.was_in_time) status = wait_for_end(child, limit - SystemClock().seconds());
    if (!status) {
      end.was_in_time = false;
      status = kill_and_reap(child, kKillSeconds);
    }
    end.signal = status && WIFEXITED(*status) ? 0 : status ? WTERMSIG(*status) : SIGKILL;
    end.exit_code = end.signal == 0 ? WEXITSTATUS(*status) : 128 + end.signal;
  }
  ::close(ends[0]);
  return end;
}

}  // namespace holdfast
