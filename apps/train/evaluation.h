// holdfast-train --evaluate: the weights of a checkpoint, original or transformed, measured on the validation data.
#pragma once

#include "apps/train/arguments.h"

namespace holdfast {

/// Collective, blocks. Prints what was measured (rank 0) and returns the exit code. Writes nothing; a run may train there meanwhile.
/// Without arguments.config the configuration is the checkpoint's. Throws ConfigError, DataError, CorruptCheckpoint.
int run_evaluation(const TrainArguments& arguments);

}  // namespace holdfast
