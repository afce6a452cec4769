#include "launch/watch/stack_taker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace holdfast {
namespace {

constexpr double kSeconds = 2;
constexpr std::size_t kFunctions = 4;

}  // namespace

StackTaker::~StackTaker() {
  if (writer_ > 0) ::kill(writer_, SIGKILL);
}

void StackTaker::start(pid_t pid, Path file, double now) {
  if (std::exchange(has_started_, true)) return;
  state_ = state_of_process(pid);
  file_ = std::move(file);
  until_ = now + kSeconds;
  const pid_t shim = ::getpid();
  writer_ = ::fork();
  if (writer_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it holds what its shim had open
  if (::getppid() != shim) ::_exit(1);
  ::unsetenv("DEBUGINFOD_URLS");  // or libdw asks the network for the debug information of every library
  ::_exit(write_stacks(pid, file_) ? 0 : 1);
}

std::optional<nlohmann::json> StackTaker::take(double now) {
  if (writer_ == 0) return std::nullopt;
  // A fork that failed has left nothing to wait for.
  const bool is_over = writer_ < 0 || ::waitpid(writer_, nullptr, WNOHANG) != 0;
  if (!is_over && now < until_) return std::nullopt;
  if (!is_over) {
    ::kill(writer_, SIGKILL);
    ::waitpid(writer_, nullptr, WNOHANG);
  }
  writer_ = 0;
  return nlohmann::json{{"state", state_}, {"functions", innermost_functions(file_, kFunctions)}, {"file", file_.string()}};
}

}  // namespace holdfast
