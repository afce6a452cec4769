// Which state a transformed copy belongs to: the one in whose directory it lies, and of whose weights it was made. A copy that was moved
// into another state would be taken for that one's weights. Without MPI or LibTorch; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {

/// `copy` is the manifest in the directory `path` of the state with the manifest `original`. Throws CorruptCheckpoint unless it is its copy
/// of that name.
void require_copy_of(const Manifest& original, const Path& path, const Manifest& copy);
/// The manifests of the copies that `original`, of `checkpoint`, lists. Throws CorruptCheckpoint, also for one that is not its copy,
/// StorageError.
std::vector<Manifest> read_copies(FileSystem& files, const Path& checkpoint, const Manifest& original);

/// `manifest` is that of `checkpoint`. Throws CorruptCheckpoint where the directory has the name of another checkpoint, and where it lies
/// in a state that it is no copy of: what was moved there would be taken for something else.
void require_own_place(FileSystem& files, const Path& checkpoint, const Manifest& manifest);

/// Of all shards.
std::uint64_t bytes_of(const Manifest& manifest);

}  // namespace holdfast
