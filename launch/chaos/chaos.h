// A run under random faults: first undisturbed, then disturbed by this process, which is none of the run's own and keeps a log of its
// own; then both are compared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace holdfast {

struct ChaosOptions {
  Path program;                    // `holdfast`
  std::vector<std::string> words;  // of `holdfast run`: CONFIG -n RANKS [--set ...]
  Path directory;                  // gets undisturbed/, disturbed/, chaos.jsonl
  std::uint64_t seed = 1;
  double minutes = 10;    // faults strike for so long
  double per_hour = 600;  // of them on the average, while the run trains
  std::int64_t most = 0;  // 0: no limit
};

/// Blocks until both runs have ended. Returns 0 when they have the same parameter hash, nothing was left behind, no committed state was
/// lost without being damaged, and every fault was called by its name; else 1. Prints what happens, and a table at the end. Throws Error
/// when a run cannot be started or ends for good.
int run_chaos(const ChaosOptions& options);

}  // namespace holdfast
