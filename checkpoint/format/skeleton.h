// The skeleton of a shard: all of HDF5's metadata for a set of pieces, laid out in memory by HDF5 itself, and where in the
// file the bytes of each piece belong. No tensor byte passes through HDF5.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/format/shard.h"

namespace holdfast {

struct Skeleton {
  std::vector<std::byte> head;         // the file's bytes before the first piece
  std::vector<std::uint64_t> offsets;  // of each piece in the file; 0 for an empty one
  std::uint64_t file_bytes = 0;
};

/// The same input gives the same bytes. Takes hdf5_mutex(). Throws StorageError.
Skeleton build_skeleton(std::span<const ShardPiece> pieces, const ShardTags& tags);

}  // namespace holdfast
