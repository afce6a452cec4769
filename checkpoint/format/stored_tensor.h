// Whole tensors of a checkpoint and their digest blocks, whichever shards the pieces lie in.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/shard.h"
#include "checkpoint/format/tensor_hash.h"

namespace holdfast {

/// A digest block of a tensor.
struct TensorBlock {
  const ShardRecord* shard = nullptr;
  const PieceRecord* piece = nullptr;
  std::size_t number = 0;  // within the piece
  Slice slice;             // of the tensor
  const Digest& digest() const { return piece->blocks[number]; }
};

/// Where the pieces of every tensor are. Made in one walk over a manifest, which has to outlive it. Any thread.
class PieceIndex {
 public:
  struct Place {
    const ShardRecord* shard = nullptr;
    const PieceRecord* piece = nullptr;
  };
  explicit PieceIndex(const Manifest& manifest);
  /// In the order of their offsets, without empty ones; of a per-rank tensor that of `rank`.
  std::vector<Place> pieces(const TensorInfo& tensor, int rank = 0) const;
  /// Likewise. Cuts lie on block edges, so that the blocks are the same at every world size.
  std::vector<TensorBlock> blocks(const TensorInfo& tensor, int rank = 0) const;

 private:
  std::map<std::string_view, std::map<std::pair<int, std::int64_t>, Place>> places_;  // by tensor; rank (0 unless per-rank) and offset
};

/// Reads tensors of one checkpoint; every byte is checked. One thread at a time. Throws CorruptCheckpoint, StorageError.
class TensorReader {
 public:
  /// `manifest` has to outlive it.
  TensorReader(FileSystem& files, Path checkpoint, const Manifest& manifest);
  const PieceIndex& index() const { return index_; }
  std::vector<std::byte> read(const TensorBlock& block, DType dtype);
  /// All bytes in row-major order; of a per-rank tensor those of `rank`.
  std::vector<std::byte> read(const TensorInfo& tensor, int rank = 0);

 private:
  const ShardReader& open(const ShardRecord& shard);

  FileSystem& files_;
  Path checkpoint_;
  PieceIndex index_;
  std::map<int, std::unique_ptr<ShardReader>> open_;  // by rank
};

}  // namespace holdfast
