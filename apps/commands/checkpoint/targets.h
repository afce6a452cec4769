// Which checkpoints a path on the command line means.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace holdfast {

struct Targets {
  Path directory;  // that they lie in
  /// Oldest first; at least one. None ends in a slash.
  std::vector<Path> checkpoints;
  bool is_whole_directory = false;  // all that lie in it; else one that was named by itself
};
/// The checkpoint itself, or those of a run directory or of its checkpoints/. A link is followed at once: it may point elsewhere a moment
/// later. Throws DataError when there is none.
Targets checkpoints_of(FileSystem& files, const Path& path);
/// Of those the newest state, or of a run that stores weights alone the newest of them.
Path newest_of(FileSystem& files, const Path& path);
/// Where checkpoints lie, if `path` is a run directory or its checkpoints/; empty for a single checkpoint or none.
Path checkpoints_directory(FileSystem& files, const Path& path);

/// A file that this user may not read, also in a transformed copy, is not a damaged one. Throws StorageError.
void require_readable(const Path& checkpoint);

/// Throws DataError: the run that trains has removed it meanwhile.
[[noreturn]] void throw_gone(const Path& checkpoint);
/// Whether the checkpoint is still there.
bool is_there(FileSystem& files, const Path& checkpoint);

/// What `read` returns; where it fails because the checkpoint went meanwhile, the error says so.
template <class Read>
auto while_it_is_there(FileSystem& files, const Path& checkpoint, const Read& read) {
  try {
    return read();
  } catch (const Error&) {
    if (!is_there(files, checkpoint)) throw_gone(checkpoint);
    throw;
  }
}

}  // namespace holdfast
