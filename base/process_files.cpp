#include "base/process_files.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <vector>

#include "base/text_file.h"

namespace holdfast {

std::vector<pid_t> process_ids() {
  std::vector<pid_t> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  while (const dirent* item = proc ? ::readdir(proc.get()) : nullptr)
    if (const pid_t pid = std::atoi(item->d_name); pid > 0) found.push_back(pid);
  return found;
}

std::string process_file(pid_t pid, const std::string& name) { return text_of_file(fmt::format("/proc/{}/{}", pid, name)); }

namespace {

/// What follows the name: "STATE PARENT …". Empty: there is no such process.
std::string after_name(pid_t pid) {
  const std::string text = process_file(pid, "stat");  // PID (NAME) STATE PARENT …, and the name may be anything
  const std::size_t name_end = text.rfind(')');
  return name_end == text.npos || name_end + 2 >= text.size() ? "" : text.substr(name_end + 2);
}

/// Whether an environment that reads as empty will go on doing so: the process is gone or is a thread of the kernel (neither has memory),
/// it may not be looked at, or its environment is of no length. Else it is in execve, or was a moment ago.
bool stays_empty(pid_t pid) {
  constexpr std::size_t kFirst = 3, kMemory = 23, kCode = 26, kEnvironmentBegin = 50, kEnvironmentEnd = 51;  // proc(5): fields of "stat"
  std::istringstream text(after_name(pid));
  const std::vector<std::string> fields(std::istream_iterator<std::string>(text), {});
  if (fields.size() <= kEnvironmentEnd - kFirst || fields[kMemory - kFirst] == "0") return true;
  const bool is_of_no_length = fields[kEnvironmentBegin - kFirst] == fields[kEnvironmentEnd - kFirst];  // both 0: it may not be looked at
  return is_of_no_length && fields[kCode - kFirst] != "0";  // execve writes the environment's place first, the code's last
}

/// In one piece: between two the process might go through execve, and what was read would end there.
std::string environ_file(pid_t pid) {
  constexpr std::size_t kLongest = 6 << 20;  // execve(2): three quarters of _STK_LIM
  const auto buffer = std::make_unique_for_overwrite<char[]>(kLongest);
  std::ifstream file(fmt::format("/proc/{}/environ", pid), std::ios::binary);
  file.read(buffer.get(), kLongest);
  return {buffer.get(), static_cast<std::size_t>(file.gcount())};
}

}  // namespace

char process_state(pid_t pid) {
  const std::string text = after_name(pid);
  return text.empty() ? 'Z' : text.front();
}

pid_t parent_of(pid_t pid) {
  const std::string text = after_name(pid);
  return text.size() < 2 ? 0 : std::atoi(text.c_str() + 2);
}

std::int64_t private_bytes(pid_t pid) {
  std::istringstream lines(process_file(pid, "smaps_rollup"));
  std::int64_t kilobytes = 0;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("Private_")) kilobytes += std::atoll(line.c_str() + line.find(':') + 1);
  return kilobytes * 1024;
}

std::optional<std::string> environment_of(pid_t pid) {
  std::string text = environ_file(pid);
  if (text.empty() && !stays_empty(pid)) return std::nullopt;
  return text;
}

std::optional<std::string> value_in(const std::string& environment, const std::string& variable) {
  const std::string begin = variable + "=";
  for (std::size_t at = 0; at < environment.size();) {
    const std::size_t end = std::min(environment.find('\0', at), environment.size());
    if (environment.compare(at, begin.size(), begin) == 0) return environment.substr(at + begin.size(), end - at - begin.size());
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<std::string> environment_value(pid_t pid, const std::string& variable) {
  const std::optional<std::string> environment = environment_of(pid);
  return environment ? value_in(*environment, variable) : std::nullopt;
}

}  // namespace holdfast
