// The skeleton of a shard: all of HDF5's metadata for a set of pieces, laid out in memory by HDF5 itself, and where in the
// file the bytes of each piece belong. No tensor byte passes through HDF5.
#pragma once

#include "checkpoint/format/shard_image.h"

namespace holdfast {

/// Fills head, offsets and file_bytes of `layout` from the rest of it. The same input gives the same bytes. Takes hdf5_mutex().
/// Throws StorageError.
void build_skeleton(ShardLayout& layout);

}  // namespace holdfast
