#include "launch/stop_signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace holdfast {

StopRequests::Meaning StopRequests::add(int signal, double seconds) {
  const bool is_first = !std::exchange(has_any_, true);
  const bool is_ahead = signal == SIGUSR1 || signal == SIGUSR2;
  const bool is_haste = !is_ahead && urgent_at_ && seconds - *urgent_at_ >= kHasteSeconds;
  if (!is_ahead && !urgent_at_) urgent_at_ = seconds;
  if (is_first) return Meaning::stop;
  return is_haste ? Meaning::haste : Meaning::nothing_new;
}

StopSignals::StopSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) ::sigaddset(&signals, number);
  struct sigaction hangup {};  // left out where it is ignored (nohup)
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) ::sigaddset(&signals, SIGHUP);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may go away; the training goes on
  fd_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd_ < 0) throw StorageError(ErrorText{.attempted = "take signals", .cause = std::strerror(errno)});
}

StopSignals::~StopSignals() { ::close(fd_); }

void StopSignals::take(const std::function<void(bool is_first)>& stop) {
  signalfd_siginfo info{};
  while (::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) continue;
    const StopRequests::Meaning meaning = requests_.add(static_cast<int>(info.ssi_signo), SystemClock().seconds());
    if (meaning == StopRequests::Meaning::nothing_new) continue;
    is_stop_requested_ = true;
    stop(meaning == StopRequests::Meaning::stop);
  }
}

}  // namespace holdfast
