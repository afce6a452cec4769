#include "launch/shim/memory_kill.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <utility>

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

}  // namespace

MemoryKills::MemoryKills(Path root) : root_(std::move(root)), group_(memory_group(root_)), before_(count()), latest_(before_) {}

MemoryKills::Counts MemoryKills::count() const {
  return {group_ ? value_in(group_->events, "oom_kill") : std::nullopt, value_in(root_ / "proc/vmstat", "oom_kill")};
}

void MemoryKills::renew() { before_ = std::exchange(latest_, count()); }

std::optional<std::string> MemoryKills::killer() const {
  const Counts now = count();
  // A group's counter goes up with the machine's, too: a group without a limit has not run into it.
  if (before_.group && now.group > before_.group && group_->limit_bytes)
    return fmt::format("the kernel's out-of-memory killer of the control group {} (limit {} bytes)", group_->name, *group_->limit_bytes);
  if ((before_.group && now.group > before_.group) || (before_.machine && now.machine > before_.machine))
    return "the kernel's out-of-memory killer: the machine has no memory left";
  return std::nullopt;
}

}  // namespace holdfast
