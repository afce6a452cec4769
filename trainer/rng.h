// The random generators of a rank: a function of (seed, rank), or of (seed, rank, step) for a rank that joins later.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

/// Seeds this process's default generator.
void seed_generators(std::uint64_t seed, int rank, std::int64_t step);
/// Of the generators that a task may draw from: where they are, and back to it.
using GeneratorStates = std::vector<at::Tensor>;
GeneratorStates generator_states();
void set_generator_states(const GeneratorStates& states);
/// The generator's state as a per-rank tensor.
StateEntry generator_state();

}  // namespace holdfast
