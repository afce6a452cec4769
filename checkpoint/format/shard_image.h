// A shard in memory, byte for byte as it will be in the file, and how it gets there. The layout is made once for a set of
// tensors, the memory is kept: another save of the same tensors calls HDF5 no more.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/huge_buffer.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/tensor.h"

namespace holdfast {

/// A part of a tensor that a shard holds.
struct ShardPiece {
  TensorInfo tensor;
  Slice slice;
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(slice.count) * size_of(tensor.dtype); }
  bool operator==(const ShardPiece&) const = default;
};

/// Where everything lies in a shard's file.
struct ShardLayout {
  std::vector<ShardPiece> pieces;
  int rank = 0;
  int world_size = 1;
  std::vector<std::byte> head;         // the file's bytes before the first piece: HDF5's metadata
  std::vector<std::uint64_t> offsets;  // of each piece's bytes in the file; 0 for an empty one
  std::uint64_t file_bytes = 0;
};

/// A whole tensor keeps its shape; a part is a 1-D dataset with attributes `global_shape` and `flat_offset`. A per-rank tensor's
/// dataset lies under "rank/". Every dataset has attributes `dtype` and `kind`. Takes hdf5_mutex(). Throws StorageError.
ShardLayout lay_out_shard(std::vector<ShardPiece> pieces, int rank, int world_size);

class ShardImage {
 public:
  ShardImage() = default;
  /// The head is in its place, everything else is zero. Throws std::bad_alloc.
  explicit ShardImage(ShardLayout layout);
  const ShardLayout& layout() const { return layout_; }
  /// Where the bytes of layout().pieces[piece] belong, row-major.
  std::span<std::byte> place(std::size_t piece) const;
  /// The whole file, up to a multiple of kDirectAlignment.
  std::span<const std::byte> bytes() const { return memory_.bytes(); }
  /// Digests of a piece, one a block.
  std::vector<Digest> digests(std::size_t piece) const { return block_digests(place(piece)); }

 private:
  ShardLayout layout_;
  HugeBuffer memory_;
};

/// Called from the thread that writes.
struct ShardWriteHooks {
  /// Returns when the image's first `end` bytes have their final values; may throw to give up.
  std::function<void(std::uint64_t end)> wait_until_staged;
  /// Once, when half of the bytes are written (fault injection).
  std::function<void()> half_way;
};

/// Writes the new file `path` and syncs it. If the sync fails, the image is written once more, to another new file: what a
/// failed sync leaves in the page cache is not known. Throws StorageError.
void write_image(FileSystem& files, const Path& path, const ShardImage& image, const ShardWriteHooks& hooks = {});

/// `blocks`: the digests of each piece.
ShardRecord record_of(const ShardLayout& layout, const std::string& file, std::vector<std::vector<Digest>> blocks);

}  // namespace holdfast
