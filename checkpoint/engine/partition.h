// Who writes what: replicated tensors are cut among the ranks by bytes, so that each byte is written once and all ranks
// write about the same amount. Cuts inside a tensor lie on digest blocks only, so that checkpoints of different world
// sizes compare by digests. A pure function of the tensors and the world size.
#pragma once

#include <span>
#include <vector>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

/// A part of entries[entry] that one rank writes.
struct Part {
  std::size_t entry = 0;
  Slice slice;  // of the global tensor
};

/// The parts that `rank` writes, in the order of `entries`. Per-rank and sharded tensors are written by each rank itself.
std::vector<Part> parts_of_rank(std::span<const StateEntry> entries, int rank, int world_size);

}  // namespace holdfast
