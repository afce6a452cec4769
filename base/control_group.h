// The control group (version 1 or 2) that this process's memory is counted in, as /proc and /sys tell. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file_system.h"

namespace holdfast {

struct MemoryGroup {
  std::string name;                         // "/job/1", as /proc/self/cgroup has it
  Path events;                              // a file with a line "oom_kill NUMBER"
  std::optional<std::int64_t> limit_bytes;  // the least of its own and of the groups around it; none: there is no limit
};

/// nullopt: there is none, or it is not to be seen from here. `root`: where /proc and /sys are.
std::optional<MemoryGroup> memory_group(const Path& root = "/");

}  // namespace holdfast
