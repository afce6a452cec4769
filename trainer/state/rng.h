// The random generators of a rank: a function of (seed, rank), or of (seed, rank, step) for a rank that joins later.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

/// Seeds this process's default generators: the CPU's, and that of `place`.
void seed_generators(std::uint64_t seed, int rank, std::int64_t step, at::Device place);
/// That of `place` alone, where a checkpoint has none.
void seed_generator(std::uint64_t seed, int rank, std::int64_t step, at::Device place);
/// Their states as per-rank tensors: rng/cpu, and of another device rng/TYPE.
std::vector<StateEntry> generator_states(at::Device place);
/// "rng/cuda"
std::string generator_name(at::Device place);

/// Where the generators are that a task may draw from.
using GeneratorPositions = std::vector<std::pair<at::Generator, at::Tensor>>;
GeneratorPositions generator_positions(at::Device place);
void put_back(const GeneratorPositions& positions);

}  // namespace holdfast
