// A program that runs beside a test.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace holdfast {

/// A shell that starts itself for ever, and so is often in execve: `/bin/sh -c` and this, with kAgain in its environment.
inline constexpr const char* kAgainCommand = "exec /bin/sh -c \"$AGAIN\"";
inline constexpr const char* kAgain = "AGAIN=exec /bin/sh -c \"$AGAIN\"";

/// A process of its own for as long as a test lasts.
class StartedProcess {
 public:
  /// `words` and `variables` end with nullptr; words[0] is the whole path.
  StartedProcess(std::vector<const char*> words, std::vector<const char*> variables) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also one that starts itself for ever ends with a test that is killed
    ::execve(words[0], const_cast<char**>(words.data()), const_cast<char**>(variables.data()));
    ::_exit(1);
  }
  StartedProcess(const StartedProcess&) = delete;
  StartedProcess& operator=(const StartedProcess&) = delete;
  ~StartedProcess() { end(); }
  void end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

}  // namespace holdfast
