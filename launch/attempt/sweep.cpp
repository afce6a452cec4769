#include "launch/attempt/sweep.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "base/process_files.h"

namespace holdfast {

std::vector<pid_t> processes_with(const std::string& name, const std::string& value) {
  constexpr std::chrono::milliseconds kExecveTime{200};
  const auto end = std::chrono::steady_clock::now() + kExecveTime;
  std::vector<pid_t> found, to_look_at = process_ids();
  for (;;) {
    std::vector<pid_t> in_execve;
    for (const pid_t pid : to_look_at) {
      const std::optional<std::string> environment = environment_of(pid);
      if (!environment)
        in_execve.push_back(pid);
      else if (pid != ::getpid() && value_in(*environment, name) == value && process_state(pid) != 'Z')
        found.push_back(pid);
    }
    if (in_execve.empty() || std::chrono::steady_clock::now() > end) return found;
    to_look_at = std::move(in_execve);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

int sweep(const std::string& name, const std::string& value, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const std::vector<pid_t> left = processes_with(name, value);
    if (left.empty() || std::chrono::steady_clock::now() > end) return static_cast<int>(left.size());
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace holdfast
