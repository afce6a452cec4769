#include "launch/shim/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/environment.h"
#include "base/error.h"
#include "base/file_system.h"
#include "launch/attempt/sweep.h"

namespace holdfast {
namespace {

constexpr double kSweepSeconds = 10;
constexpr int kLauncherMilliseconds = 1500;

/// Nothing of the launcher's stays open: it waits for the ends of its pipes.
void detach() {
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "holdfast-guard");
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) ::signal(signal_number, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
}

/// Its daemon that started the shim: when ranks end, so does it, unless it was stopped or waits for a host that it cannot reach.
void end_launcher(int launcher) {
  pollfd waiting{.fd = launcher, .events = POLLIN, .revents = 0};
  if (launcher >= 0 && ::poll(&waiting, 1, kLauncherMilliseconds) == 0) ::syscall(SYS_pidfd_send_signal, launcher, SIGKILL, nullptr, 0);
}

void remove_session(const Path& session) {
  try {
    remove_tree(*make_posix_file_system(), session);
  } catch (const StorageError&) {
    return;  // the guardian beside this one removes it, too; if not, the next attempt here does
  }
}

[[noreturn]] void guard(int pipe, const std::string& rank_tag, const Path& session, int launcher) {
  detach();
  pid_t process_group = 0;
  for (;;) {
    const ssize_t n = ::read(pipe, &process_group, sizeof process_group);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof process_group)) break;  // the shim is gone
  }
  if (process_group > 0) ::kill(-process_group, SIGKILL);
  sweep(environment::kRankTag, rank_tag, kSweepSeconds);
  if (!session.empty()) {
    end_launcher(launcher);
    remove_session(session);
  }
  ::_exit(0);
}

}  // namespace

Guardian::Guardian(const std::string& rank_tag, const Path& session) {
  const int launcher = session.empty() ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, ::getppid(), 0));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw StorageError(ErrorText{.attempted = "start the guardian", .cause = std::strerror(errno)});
  const pid_t pid = ::fork();
  if (pid < 0) throw StorageError(ErrorText{.attempted = "start the guardian", .cause = std::strerror(errno)});
  if (pid == 0) {
    ::close(ends[1]);
    guard(ends[0], rank_tag, session, launcher);
  }
  if (launcher >= 0) ::close(launcher);
  ::close(ends[0]);
  pipe_ = ends[1];
}

Guardian::~Guardian() { ::close(pipe_); }

void Guardian::watch(pid_t process_group) {
  if (!tell(process_group)) throw StorageError(ErrorText{.attempted = "tell the guardian of the rank", .cause = std::strerror(errno)});
}

void Guardian::forget_group() noexcept { tell(0); }

bool Guardian::tell(pid_t process_group) noexcept {
  return ::write(pipe_, &process_group, sizeof process_group) == static_cast<ssize_t>(sizeof process_group);
}

}  // namespace holdfast
