// One shard: a plain HDF5 file that any HDF5 reader opens. HDF5 lays out the file (contiguous datasets, allocated early);
// the bulk bytes go through the FileSystem seam at the offsets that HDF5 reports, the head (all of HDF5's metadata) last.
// Not thread-safe with other users of HDF5 unless they hold hdf5_mutex().
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/tensor.h"

namespace holdfast {

/// The lock around every call of the HDF5 library in this process.
std::mutex& hdf5_mutex();

/// A piece of a tensor to be written: `data` holds exactly the slice's bytes in row-major order.
struct ShardPiece {
  TensorInfo tensor;
  Slice slice;
  std::span<const std::byte> data;
};

struct ShardTags {
  std::int64_t global_step = 0;
  int rank = 0;
  int world_size = 1;
};

/// Writes the new file `path`, syncs it, and returns its record (digests of `data` as it is before the file is created). A whole
/// tensor keeps its shape; a part is a 1-D dataset with attributes `global_shape` and `flat_offset`. A per-rank tensor's dataset
/// lies under "rank/". Every dataset has attributes `dtype` and `kind`. `half_way` is called once, when half of the pieces are
/// written, and never if there are none (fault injection). Throws StorageError.
ShardRecord write_shard(FileSystem& files, const Path& path, std::span<const ShardPiece> pieces, const ShardTags& tags,
                        const std::function<void()>& half_way = {});

/// Reads pieces of one shard of a checkpoint; every byte is checked against the manifest before it is handed out.
class ShardReader {
 public:
  /// Checks the size and the head. Throws CorruptCheckpoint, naming the shard.
  ShardReader(FileSystem& files, const Path& checkpoint, const ShardRecord& record);
  /// Reads the whole piece into `into` (exactly its bytes). Throws CorruptCheckpoint naming shard, dataset, block and offset.
  void read(const PieceRecord& piece, std::size_t element_bytes, std::span<std::byte> into) const;

 private:
  std::unique_ptr<ReadableFile> file_;
  ShardRecord record_;
  std::string where_;
};

}  // namespace holdfast
