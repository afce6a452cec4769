#include "launch/memory_kill.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace holdfast {
namespace {

/// The number behind `key` in a file of lines "KEY NUMBER".
std::optional<std::int64_t> value_in(const Path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

bool is_there(const Path& path) { return std::ifstream(path).good(); }

std::string first_word(const Path& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

}  // namespace

MemoryKills::MemoryKills(Path root) : root_(std::move(root)) {
  std::ifstream file(root_ / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1)), group = line.substr(second + 1);
    const bool is_version_1 = controllers.find(",memory,") != std::string::npos;
    if (!is_version_1 && controllers != ",,") continue;
    const Path folder = root_ / (is_version_1 ? "sys/fs/cgroup/memory" : "sys/fs/cgroup") / Path(group).relative_path();
    const Path counter = folder / (is_version_1 ? "memory.oom_control" : "memory.events");
    if (!is_there(counter)) continue;
    group_ = group;
    counter_ = counter;
    limit_ = folder / (is_version_1 ? "memory.limit_in_bytes" : "memory.max");
    if (is_version_1) break;  // where both are mounted, memory belongs to the one that names it
  }
  group_before_ = group_kills();
  machine_before_ = machine_kills();
}

std::optional<std::int64_t> MemoryKills::group_kills() const { return counter_.empty() ? std::nullopt : value_in(counter_, "oom_kill"); }

std::optional<std::int64_t> MemoryKills::machine_kills() const { return value_in(root_ / "proc/vmstat", "oom_kill"); }

std::optional<std::string> MemoryKills::killer() const {
  if (group_before_ && group_kills() > group_before_)
    return fmt::format("the kernel's out-of-memory killer of the control group {} (limit {} bytes)", group_, first_word(limit_));
  if (machine_before_ && machine_kills() > machine_before_) return "the kernel's out-of-memory killer: the machine has no memory left";
  return std::nullopt;
}

}  // namespace holdfast
