// The process beside the supervisor that runs the commands of `hooks:`, each of them in the care of a process of its own, its keeper
// (hook_keeper.h). A message on the socket starts one; how it has ended goes back the same way. Nothing more comes when the
// supervisor has shut its end down, or is gone: then the keepers kill what they keep.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "options/run_options.h"

namespace holdfast {

inline constexpr std::size_t kMostMessageBytes = 4096;  // more than an end takes
inline constexpr std::string_view kKeeperKilled = "unknown how it ended: the process that ran it was killed";

struct HookPlan {
  int socket;
  const HooksOptions& options;
  const Path& run_directory;
  const Path& log;
};

/// Of the hook of that name; empty: none.
const std::vector<std::string>& command_of(const HooksOptions& options, const std::string& hook);

/// What a process that was just forked becomes.
[[noreturn]] void run_hooks(const HookPlan& plan) noexcept;

}  // namespace holdfast
