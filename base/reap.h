// The ends of child processes, waited for no longer than one is willing to. Any thread.
#pragma once

#include <optional>

#include <sys/types.h>

namespace holdfast {

/// Reaps `child`: how it ended, as waitpid tells it. nullopt: it lived on for `seconds` (infinite: until it ends), or is no child.
std::optional<int> wait_for_end(pid_t child, double seconds);

/// Kills `leader`, a child, and all of its process group, and reaps it. nullopt: the kernel does not let go of it, and `seconds` are over.
std::optional<int> kill_and_reap(pid_t leader, double seconds);

}  // namespace holdfast
