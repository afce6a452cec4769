// Reading a checkpoint back into live state. Needs no communicator: each rank reads for itself; agreement is the
// Checkpointer's business.
#pragma once

#include <span>
#include <string>

#include "base/file_system.h"
#include "checkpoint/engine/snapshot.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {

/// Which tensors a restore takes.
enum class RestoreScope { everything, model_only };

/// Fills `targets` from `checkpoint`, checking every byte against the manifest before it reaches live memory. Per-rank
/// tensors come from the same rank; a rank that did not exist then takes those of rank (rank % world size then).
/// Throws CorruptCheckpoint (damage: fall back), StorageError, or ConfigError when names, shapes or dtypes are not those of
/// the live state (nothing has been changed then).
void restore_tensors(FileSystem& files, const Path& checkpoint, const Manifest& manifest, std::span<const StateEntry> targets, int rank,
                     RestoreScope scope);

}  // namespace holdfast
