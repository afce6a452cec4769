#include "base/control_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace holdfast {
namespace {

/// Above it version 1 means that there is no limit.
constexpr std::int64_t kMostBytes = std::int64_t{1} << 60;

std::optional<std::int64_t> limit_in(const Path& file) {
  std::int64_t bytes = 0;
  return std::ifstream(file) >> bytes && bytes < kMostBytes ? std::optional(bytes) : std::nullopt;  // "max" is no number
}

/// Of `folder` and of all above it up to `mount`.
std::optional<std::int64_t> least_limit(Path folder, const Path& mount, const char* name) {
  std::optional<std::int64_t> least;
  for (;; folder = folder.parent_path()) {
    const std::optional<std::int64_t> limit = limit_in(folder / name);
    if (limit) least = std::min(least.value_or(*limit), *limit);
    if (folder == mount || !folder.has_relative_path()) return least;
  }
}

}  // namespace

std::optional<MemoryGroup> memory_group(const Path& root) {
  std::optional<MemoryGroup> found;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1)), group = line.substr(second + 1);
    const bool is_version_1 = controllers.find(",memory,") != std::string::npos;
    if (!is_version_1 && controllers != ",,") continue;
    const Path mount = root / (is_version_1 ? "sys/fs/cgroup/memory" : "sys/fs/cgroup");
    // In a container the group may be named as the machine knows it, while its files are at the mount.
    Path folder = mount;
    std::error_code hidden;
    if (const Path inside = Path(group).relative_path(); !inside.empty() && std::filesystem::exists(mount / inside, hidden))
      folder /= inside;
    const char* events = is_version_1 ? "memory.oom_control" : "memory.events";
    const auto limit = least_limit(folder, mount, is_version_1 ? "memory.limit_in_bytes" : "memory.max");
    const bool has_events = std::ifstream(folder / events).good();
    if (!has_events && !limit) continue;
    found = {.name = group, .events = has_events ? folder / events : Path(), .limit_bytes = limit};
    if (is_version_1) break;  // where both are mounted, memory belongs to the one that names it
  }
  return found;
}

}  // namespace holdfast
