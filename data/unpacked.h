// Data files that are gzipped are unpacked once into a cache and used from there.
#pragma once

#include <string>

#include "base/file_system.h"

namespace holdfast {

/// The path of the plain file: `path` itself, or where the cache holds what `path` (….gz) unpacks to. The cache lies in
/// $HOLDFAST_DATA_CACHE, else $XDG_CACHE_HOME/holdfast/data, else ~/.cache/holdfast/data; names contain size and time of the
/// source, so that a changed source is unpacked anew. Safe when several ranks call it at once: each writes a file of its own
/// and renames it. Throws DataError: missing, not a gzip file, cut short.
Path unpacked(const Path& path);

}  // namespace holdfast
