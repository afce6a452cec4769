// Reading one shard: a plain HDF5 file that any HDF5 reader opens, read here by the offsets in the manifest.
#pragma once

#include <memory>
#include <span>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/tensor.h"

namespace holdfast {

/// Reads pieces of one shard of a checkpoint; every byte is checked against the manifest before it is handed out.
class ShardReader {
 public:
  /// Checks the size and the head. Throws CorruptCheckpoint, naming the shard.
  ShardReader(FileSystem& files, const Path& checkpoint, const ShardRecord& record);
  /// Fills `into` with whole blocks of the piece, from `first_block` on (the last of a piece may be short). Throws
  /// CorruptCheckpoint naming shard, dataset, block and offset.
  void read(const PieceRecord& piece, std::size_t first_block, std::span<std::byte> into) const;

 private:
  std::unique_ptr<ReadableFile> file_;
  ShardRecord record_;
  std::string where_;
};

}  // namespace holdfast
