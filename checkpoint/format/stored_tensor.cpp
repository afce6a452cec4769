#include "checkpoint/format/stored_tensor.h"

#include <algorithm>
#include <map>

#include "checkpoint/format/shard.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

/// Calls visit(shard, piece) for the pieces of `tensor`, in the order of their offsets. Empty ones are left out: one may begin
/// where another, that holds something, begins.
template <class Visit>
void for_each_piece(const Manifest& manifest, const TensorInfo& tensor, int rank, const Visit& visit) {
  std::map<std::int64_t, std::pair<const ShardRecord*, const PieceRecord*>> pieces;
  for (const ShardRecord& shard : manifest.shards)
    for (const PieceRecord& piece : shard.pieces)
      if (piece.slice.count > 0 && piece.tensor == tensor.name && (tensor.kind != TensorKind::per_rank || shard.rank == rank))
        pieces[piece.slice.offset] = {&shard, &piece};
  for (const auto& [offset, found] : pieces) visit(*found.first, *found.second);
}

std::vector<Digest> joined_digests(const Manifest& manifest, const TensorInfo& tensor, int rank) {
  std::vector<Digest> blocks;
  for_each_piece(manifest, tensor, rank, [&](const ShardRecord&, const PieceRecord& piece) {
    blocks.insert(blocks.end(), piece.blocks.begin(), piece.blocks.end());
  });
  return blocks;
}

}  // namespace

std::vector<Digest> block_digests_of(const Manifest& manifest, const TensorInfo& tensor) { return joined_digests(manifest, tensor, 0); }

std::vector<Digest> block_digests_of_rank(const Manifest& manifest, const TensorInfo& tensor, int rank) {
  return joined_digests(manifest, tensor, rank);
}

std::vector<std::byte> read_tensor(FileSystem& files, const Path& checkpoint, const Manifest& manifest, const TensorInfo& tensor,
                                   int rank) {
  std::vector<std::byte> bytes(tensor.bytes());
  const std::size_t element = size_of(tensor.dtype);
  for_each_piece(manifest, tensor, rank, [&](const ShardRecord& shard, const PieceRecord& piece) {
    const std::size_t size = static_cast<std::size_t>(piece.slice.count) * element;
    ShardReader(files, checkpoint, shard)
        .read(piece, element, std::span(bytes).subspan(static_cast<std::size_t>(piece.slice.offset) * element, size));
  });
  return bytes;
}

Digest state_hash(const Manifest& manifest, const std::string& prefix) {
  // One walk over all pieces: a manifest may hold tens of thousands.
  std::map<std::string, std::map<std::int64_t, const PieceRecord*>> pieces;
  for (const ShardRecord& shard : manifest.shards)
    for (const PieceRecord& piece : shard.pieces)
      if (piece.slice.count > 0) pieces[piece.tensor][piece.slice.offset] = &piece;
  std::vector<TensorDigests> tensors;
  for (const TensorInfo& tensor : manifest.tensors) {
    if (tensor.kind == TensorKind::per_rank || !tensor.name.starts_with(prefix)) continue;
    TensorDigests digests{tensor, {}};
    for (const auto& [offset, piece] : pieces[tensor.name])
      digests.blocks.insert(digests.blocks.end(), piece->blocks.begin(), piece->blocks.end());
    tensors.push_back(std::move(digests));
  }
  return hash_of(std::move(tensors));
}

}  // namespace holdfast
