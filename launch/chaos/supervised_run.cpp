#include "launch/chaos/supervised_run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/exec_array.h"

namespace holdfast {

SupervisedRun::~SupervisedRun() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void SupervisedRun::start() {
  const std::vector<char*> arguments = exec_array(command_);
  const pid_t chaos = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw StorageError(ErrorText{.attempted = "start " + command_.front(), .cause = std::strerror(errno)});
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != chaos) ::_exit(kExitUnavailable);
  ::setpgid(0, 0);  // the terminal's Ctrl-C ends the faults, not the run
  const int out = ::open(log_.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644), in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

std::optional<int> SupervisedRun::take_end() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = 0;
  return status;
}

}  // namespace holdfast
