#include "base/process_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

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
  const std::string text = process_file(pid, "environ"), begin = variable + "=";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    if (text.compare(at, begin.size(), begin) == 0) return text.substr(at + begin.size(), end - at - begin.size());
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace holdfast
