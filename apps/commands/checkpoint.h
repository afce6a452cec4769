// `holdfast ckpt list | show | verify | diff`: looking at stored checkpoints, also on a copy of a run, also while it trains.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Returns the exit code: 0; 65 damage found; 1 `diff` found a difference. Throws UsageError, Error.
int checkpoint_command(const std::vector<std::string>& arguments);

}  // namespace holdfast
