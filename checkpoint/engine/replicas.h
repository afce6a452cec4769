// Silent data corruption: what is replicated must be the same bits on every rank. Each save compares every block that its
// owner writes with the live copy of one other rank, another one from save to save.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "checkpoint/engine/partition.h"
#include "dist/communicator.h"

namespace holdfast {

/// Whose parts `rank` compares with its own copy in save number `save` (from 1): never its own, each of the others in turn.
int checked_rank(int rank, int world_size, std::int64_t save);

/// The replicated ones among the parts that `rank` writes.
std::vector<Part> replicated_parts(std::span<const StateEntry> entries, int rank, int world_size);

/// A block of which two ranks have different bits.
struct Disagreement {
  std::size_t entry = 0;
  std::uint64_t block = 0;  // of the whole tensor
  int owner = 0, checker = 0;
};

/// What a rank reports for the comparison: its own digests of replicated_parts(), then those that it took of the other's.
std::string replica_report(std::span<const std::vector<Digest>> own, std::span<const std::vector<Digest>> checked);

/// The first disagreement in the reports of all ranks, by rank; nullopt: there is none.
std::optional<Disagreement> find_disagreement(std::span<const StateEntry> entries, std::span<const std::string> reports, std::int64_t save);

/// Collective, blocks, between two updates: takes the digest of that block on every rank and says which rank is alone with
/// its bits, as far as a majority can tell: tensor, block, ranks and hosts.
std::string describe_disagreement(Communicator& ranks, std::span<const StateEntry> entries, const Disagreement& disagreement);

}  // namespace holdfast
