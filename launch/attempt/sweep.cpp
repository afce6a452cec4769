#include "launch/attempt/sweep.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/process_files.h"

namespace holdfast {

std::vector<pid_t> processes_with(const std::string& name, const std::string& value) {
  std::vector<pid_t> found;
  const auto end_of_wait = std::chrono::steady_clock::now() + kExecveTime;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  while (const dirent* item = proc ? ::readdir(proc.get()) : nullptr) {
    const pid_t pid = std::atoi(item->d_name);
    if (pid > 0 && pid != ::getpid() && environment_value(pid, name, end_of_wait) == value && process_state(pid) != 'Z')
      found.push_back(pid);
  }
  return found;
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
