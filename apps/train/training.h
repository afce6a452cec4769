// From the command line to a running trainer: builds what the configuration names, in the order in which it can be refused.
#pragma once

#include "apps/train/arguments.h"
#include "base/heartbeat.h"

namespace holdfast {

/// Collective (unless arguments.is_check_only), blocks until the run ends. `heartbeat` may be null. Returns the exit code.
/// What is wrong with the configuration, the task, the data or the run directory is thrown before anything is trained.
int run_training(const TrainArguments& arguments, Heartbeat* heartbeat);

}  // namespace holdfast
