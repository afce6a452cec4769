// Re-computation by stages (Chen et al. 2016): a task in stages keeps the input of each stage alone, and its backward pass runs the stage
// once more, with the random numbers, the buffers and the precision of the first time. The result has the same bits.
#pragma once

#include <memory>

#include "trainer/task.h"

namespace holdfast {

/// `task`, whose losses are computed so. Throws std::invalid_argument, in words for an ErrorText's cause, where it is not in stages.
std::unique_ptr<Task> with_recomputation(std::unique_ptr<Task> task);

}  // namespace holdfast
