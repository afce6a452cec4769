// One run of a stage whose intermediate results are not kept. Training thread; backward passes may run in threads of autograd.
#pragma once

#include <cstddef>

#include "trainer/staged_task.h"

namespace holdfast {

/// What `task.run_stage(stage, inputs)` gives, on a graph that holds `inputs` alone: a backward pass through it, one at most, runs the
/// stage again. Throws std::logic_error where the stage has changed its inputs in place.
StagedTask::Tensors run_recomputed(StagedTask& task, std::size_t stage, const StagedTask::Tensors& inputs);

}  // namespace holdfast
