#include "base/process_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <thread>

namespace holdfast {

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string process_file(pid_t pid, const std::string& name) { return text_of_file(fmt::format("/proc/{}/{}", pid, name)); }

namespace {

/// What follows the name: "STATE PARENT …". Empty: there is no such process.
std::string after_name(pid_t pid) {
  const std::string text = process_file(pid, "stat");  // PID (NAME) STATE PARENT …, and the name may be anything
  const std::size_t name_end = text.rfind(')');
  return name_end == text.npos || name_end + 2 >= text.size() ? "" : text.substr(name_end + 2);
}

/// Whether it says something that an environment reads as empty. It does where the process is gone or is a thread of the kernel (neither
/// has memory), where it may not be looked at, and where the environment is of no length. Else the process was in execve.
bool has_no_environment(pid_t pid) {
  constexpr int kState = 3, kMemory = 23, kCode = 26, kEnvironmentBegin = 50, kEnvironmentEnd = 51;  // proc(5): fields of "stat"
  std::istringstream text(after_name(pid));
  std::map<int, std::string> fields;
  for (int field = kState; field <= kEnvironmentEnd; ++field) text >> fields[field];
  if (!text || fields[kMemory] == "0" || fields[kCode] == "1") return true;             // 1: it may not be looked at
  return fields[kCode] != "0" && fields[kEnvironmentBegin] == fields[kEnvironmentEnd];  // execve writes where the code is last of all
}

/// "A=…" and so on, a zero byte after each.
std::string environment_of(pid_t pid) {
  constexpr int kLooks = 200;  // a millisecond each: far more than execve takes on a crowded host
  for (int look = 1;; ++look) {
    std::string text = process_file(pid, "environ");
    if (!text.empty() || look == kLooks || has_no_environment(pid)) return text;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
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

std::optional<std::string> environment_value(pid_t pid, const std::string& variable) {
  const std::string text = environment_of(pid), begin = variable + "=";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    if (text.compare(at, begin.size(), begin) == 0) return text.substr(at + begin.size(), end - at - begin.size());
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace holdfast
