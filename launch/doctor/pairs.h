// What `holdfast-train --probe pairs` prints, rank by rank, read while it runs and after it was ended.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_system.h"
#include "launch/doctor/facts.h"

namespace holdfast {

/// How long the ranks may measure.
double pairs_seconds(int ranks);
inline constexpr double kPairsStartSeconds = 5;  // before that: mpirun, LibTorch, MPI_Init

/// Pure: from the lines that they have printed.
PairsFacts pairs_from(const std::vector<std::string>& lines, int ranks);

/// Waits for the launcher's end; what takes longer is killed, and is an error in the answer.
PairsFacts wait_for_pairs(pid_t launcher, const Path& log, int ranks, double seconds);

}  // namespace holdfast
