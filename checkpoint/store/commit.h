// The commit of a checkpoint: shards written and synced by every rank, then the manifest, then one rename. A kill between
// any two operations leaves the new checkpoint or the one before, never a mixture. The durability order is the code's order.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {

/// Rank 0, before the shards: an empty pending directory. A leftover of the same name is removed.
void prepare_pending(FileSystem& files, const Path& checkpoints, const std::string& pending);

/// Rank 0: writes the manifest of `directory` and syncs both. Throws StorageError.
void write_manifest(FileSystem& files, const Path& directory, const std::string& manifest_text);

/// Rank 0, after all shards are durable: writes the manifest, syncs, renames `pending` to the final name, syncs. Throws
/// StorageError; then nothing is visible under the final name.
void commit_pending(FileSystem& files, const Path& checkpoints, const std::string& pending, const CheckpointName& name,
                    const std::string& manifest_text);

/// Rank 0, after commit_pending: points `last` to the checkpoint, atomically.
void point_last_to(FileSystem& files, const Path& checkpoints, const CheckpointName& name);

/// Rank 0: out of sight by one rename, then removed.
void retire(FileSystem& files, const Path& checkpoints, const CheckpointName& name);

/// What was never committed, what was half removed, links without their name yet: paths below checkpoints/.
std::vector<std::string> list_leftovers(FileSystem& files, const Path& checkpoints);
void remove_leftover(FileSystem& files, const Path& checkpoints, const std::string& path);
/// Rank 0, at start: removes all of them and says so in the log.
void sweep_leftovers(FileSystem& files, const Path& checkpoints);

/// Rank 0: moves a committed checkpoint out of the way of this run into the directory `abandoned` and says so in the log.
void abandon(FileSystem& files, const Path& checkpoints, const CheckpointName& name, const std::string& abandoned, const std::string& why);

}  // namespace holdfast
