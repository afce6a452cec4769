// Whether the kernel has killed somebody for want of memory: its own counters, of the control group that this process is in and of the
// whole machine. A SIGKILL has no sender that could be asked. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/control_group.h"

namespace holdfast {

class MemoryKills {
 public:
  /// Remembers what has been counted so far. `root`: where /proc and /sys are.
  explicit MemoryKills(Path root = "/");
  /// To be called again and again while nobody has died: what was counted before the last call but one explains no death from now on. (Not
  /// before the last one: the kernel counts when it kills, and a large process takes its time to end.)
  void renew();
  /// "the kernel's out-of-memory killer of the control group /job/1 (limit 2147483648 bytes)" where a counter has grown since; nullopt:
  /// none has.
  std::optional<std::string> killer() const;

 private:
  struct Counts {
    std::optional<std::int64_t> group, machine;
  };
  Counts count() const;

  Path root_;
  std::optional<MemoryGroup> group_;
  Counts before_, latest_;
};

}  // namespace holdfast
