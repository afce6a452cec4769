// The tensors of a training of about a billion parameters: a decoder of 24 blocks, float32, AdamW. Names and shapes alone; no memory.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

/// What a checkpoint of it holds, as the trainer names it: weights, two moments and a count of steps for each of them, a generator for each
/// rank, and the step.
std::vector<StateEntry> big_model();
/// Of the weights alone.
std::int64_t parameters_of(const std::vector<StateEntry>& entries);

}  // namespace holdfast
