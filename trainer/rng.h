// The random generators of a rank: a function of (seed, rank), or of (seed, rank, step) for a rank that joins later.
#pragma once

#include <cstdint>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

/// Seeds this process's default generator.
void seed_generators(std::uint64_t seed, int rank, std::int64_t step);
/// The generator's state as a per-rank tensor.
StateEntry generator_state();

}  // namespace holdfast
