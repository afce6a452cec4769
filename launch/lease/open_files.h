// How many files this process may have open: a supervisor holds a connection to every rank.
#pragma once

#include <cstdint>

namespace holdfast {

/// What a supervisor of so many ranks opens at most; with `has_standby` those of the next attempt call while those of this one run.
std::int64_t open_files_for(int ranks, bool has_standby);

/// Raises the soft limit, where that is lower; what this process starts inherits it. Throws Error (kExitConfiguration) where the hard limit
/// forbids it.
void allow_open_files(std::int64_t files);

}  // namespace holdfast
