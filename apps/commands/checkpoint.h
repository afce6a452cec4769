// `holdfast ckpt COMMAND`: looking at stored checkpoints and tidying up among them, also on a copy of a run, also while it trains.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Returns the exit code of the command (apps/commands/checkpoint/commands.h). Throws UsageError, Error.
int checkpoint_command(const std::vector<std::string>& arguments);

}  // namespace holdfast
