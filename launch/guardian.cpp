#include "launch/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/environment.h"
#include "base/error.h"
#include "launch/sweep.h"

namespace holdfast {
namespace {

constexpr double kSweepSeconds = 10;

/// Nothing of the launcher's stays open: it waits for the ends of its pipes.
void detach() {
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "holdfast-guard");
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) ::signal(signal_number, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
}

[[noreturn]] void guard(int pipe, const std::string& rank_tag) {
  detach();
  pid_t process_group = 0;
  for (;;) {
    const ssize_t n = ::read(pipe, &process_group, sizeof process_group);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof process_group)) break;  // the shim is gone
  }
  if (process_group > 0) ::kill(-process_group, SIGKILL);
  sweep(environment::kRankTag, rank_tag, kSweepSeconds);
  ::_exit(0);
}

}  // namespace

Guardian::Guardian(const std::string& rank_tag) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw StorageError(ErrorText{.attempted = "start the guardian", .cause = std::strerror(errno)});
  const pid_t pid = ::fork();
  if (pid < 0) throw StorageError(ErrorText{.attempted = "start the guardian", .cause = std::strerror(errno)});
  if (pid == 0) {
    ::close(ends[1]);
    guard(ends[0], rank_tag);
  }
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
