#include "base/reap.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cmath>

#include "base/clock.h"

namespace holdfast {

std::optional<int> wait_for_end(pid_t child, double seconds) {
  constexpr int kPauseMilliseconds = 2;
  const SystemClock clock;
  const double end = clock.seconds() + seconds;
  const int options = std::isfinite(seconds) ? WNOHANG : 0;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, options);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return std::nullopt;
    if (clock.seconds() >= end) return std::nullopt;
    if (ended == 0) ::poll(nullptr, 0, kPauseMilliseconds);
  }
}

std::optional<int> kill_and_reap(pid_t leader, double seconds) {
  ::kill(-leader, SIGKILL);
  ::kill(leader, SIGKILL);  // it may not have its group yet
  return wait_for_end(leader, seconds);
}

}  // namespace holdfast
