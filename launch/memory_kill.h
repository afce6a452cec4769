// Whether the kernel has killed somebody for want of memory: its own counters, of the control group that this process is in (version
// 1 or 2) and of the whole machine. A SIGKILL has no sender that could be asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file_system.h"

namespace holdfast {

class MemoryKills {
 public:
  /// Remembers what has been counted so far. `root`: where /proc and /sys are.
  explicit MemoryKills(Path root = "/");
  /// "the kernel's out-of-memory killer of the control group /job/1 (limit 2147483648 bytes)" where a counter has grown since; nullopt:
  /// none has.
  std::optional<std::string> killer() const;

 private:
  std::optional<std::int64_t> group_kills() const;
  std::optional<std::int64_t> machine_kills() const;

  Path root_;
  std::string group_;     // as /proc/self/cgroup has it
  Path counter_, limit_;  // files of the group; empty where there is none
  std::optional<std::int64_t> group_before_, machine_before_;
};

}  // namespace holdfast
