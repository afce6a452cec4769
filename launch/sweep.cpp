#include "launch/sweep.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

namespace holdfast {
namespace {

bool is_zombie(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  return name_end == text.npos || name_end + 2 >= text.size() || text[name_end + 2] == 'Z';
}

bool has_entry(pid_t pid, const std::string& entry) {
  std::ifstream file(fmt::format("/proc/{}/environ", pid), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (std::size_t at = text.find(entry); at != text.npos; at = text.find(entry, at + 1)) {
    const std::size_t end = at + entry.size();
    if ((at == 0 || text[at - 1] == '\0') && (end == text.size() || text[end] == '\0')) return true;
  }
  return false;
}

}  // namespace

std::vector<pid_t> processes_with(const std::string& name, const std::string& value) {
  std::vector<pid_t> found;
  const std::string entry = name + "=" + value;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  while (const dirent* item = proc ? ::readdir(proc.get()) : nullptr) {
    const pid_t pid = std::atoi(item->d_name);
    if (pid > 0 && pid != ::getpid() && has_entry(pid, entry) && !is_zombie(pid)) found.push_back(pid);
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
