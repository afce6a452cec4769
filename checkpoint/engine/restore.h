// Reading a checkpoint back into live state, together over all ranks: each byte that any rank needs is read once, by one of
// them, and goes to those that need it over the ranks' own connection.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/file_system.h"
#include "checkpoint/engine/snapshot.h"
#include "checkpoint/format/manifest.h"
#include "dist/communicator.h"

namespace holdfast {

/// Which tensors a restore takes.
enum class RestoreScope { everything, model_only };

/// Throws ConfigError when names, shapes or dtypes are not those of the live state. A tensor of an average that only one side has is passed
/// over: it begins anew, or is given up. Local, reads nothing.
void require_same_tensors(const Path& checkpoint, const Manifest& manifest, std::span<const StateEntry> targets, RestoreScope scope);

struct RestoreResult {
  std::string failure;           // of this rank: damage, a read that failed; empty: none
  std::uint64_t bytes_read = 0;  // from files, by this rank
};

/// Collective, blocks: fills `targets` from `checkpoint`; every block is checked against the manifest before it is handed on.
/// Replicated tensors are read in equal shares and broadcast. Per-rank tensors come from the same rank; a rank that did not
/// exist then takes those of rank (rank % world size then). Of a sharded tensor only what the rank holds is read. Needs four
/// windows of memory. All ranks return; where any reports a failure, `targets` hold no state at all. `manifest` and `targets` have
/// passed require_same_tensors() on every rank.
RestoreResult restore_tensors(Communicator& ranks, FileSystem& files, const Path& checkpoint, const Manifest& manifest,
                              std::span<const StateEntry> targets, RestoreScope scope);

}  // namespace holdfast
