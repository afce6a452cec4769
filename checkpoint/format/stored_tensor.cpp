#include "checkpoint/format/stored_tensor.h"

#include <algorithm>
#include <unordered_map>

#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostOpen = 64;  // shards at a time: there may be more ranks than a process may have files

}  // namespace

PieceIndex::PieceIndex(const Manifest& manifest) {
  std::unordered_map<std::string_view, TensorKind> kinds;
  for (const TensorInfo& tensor : manifest.tensors) kinds[tensor.name] = tensor.kind;
  for (const ShardRecord& shard : manifest.shards)
    for (const PieceRecord& piece : shard.pieces) {
      if (piece.slice.count == 0) continue;  // it may begin where another, that holds something, begins
      const int rank = kinds.at(piece.tensor) == TensorKind::per_rank ? shard.rank : 0;
      places_[piece.tensor][{rank, piece.slice.offset}] = {&shard, &piece};
    }
}

std::vector<PieceIndex::Place> PieceIndex::pieces(const TensorInfo& tensor, int rank) const {
  std::vector<Place> pieces;
  const auto found = places_.find(tensor.name);
  if (found == places_.end()) return pieces;
  const int holder = tensor.kind == TensorKind::per_rank ? rank : 0;
  for (auto at = found->second.lower_bound({holder, 0}); at != found->second.end() && at->first.first == holder; ++at)
    pieces.push_back(at->second);
  return pieces;
}

std::vector<TensorBlock> PieceIndex::blocks(const TensorInfo& tensor, int rank) const {
  const auto most = static_cast<std::int64_t>(kDigestBlockBytes / size_of(tensor.dtype));
  std::vector<TensorBlock> blocks;
  for (const Place& place : pieces(tensor, rank)) {
    const Slice& slice = place.piece->slice;
    for (std::int64_t at = 0; at < slice.count; at += most)
      blocks.push_back(
          {place.shard, place.piece, static_cast<std::size_t>(at / most), {slice.offset + at, std::min(most, slice.count - at)}});
  }
  return blocks;
}

TensorReader::TensorReader(FileSystem& files, Path checkpoint, const Manifest& manifest)
    : files_(files), checkpoint_(std::move(checkpoint)), index_(manifest) {}

const ShardReader& TensorReader::open(const ShardRecord& shard) {
  if (open_.size() >= kMostOpen && !open_.contains(shard.rank)) open_.clear();
  std::unique_ptr<ShardReader>& reader = open_[shard.rank];
  if (!reader) reader = std::make_unique<ShardReader>(files_, checkpoint_, shard);
  return *reader;
}

std::vector<std::byte> TensorReader::read(const TensorBlock& block, DType dtype) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(block.slice.count) * size_of(dtype));
  open(*block.shard).read(*block.piece, block.number, bytes);
  return bytes;
}

std::vector<std::byte> TensorReader::read(const TensorInfo& tensor, int rank) {
  std::vector<std::byte> bytes(tensor.bytes());
  const std::size_t element = size_of(tensor.dtype);
  for (const PieceIndex::Place& place : index_.pieces(tensor, rank)) {
    const Slice& slice = place.piece->slice;
    open(*place.shard)
        .read(*place.piece, 0,
              std::span(bytes).subspan(static_cast<std::size_t>(slice.offset) * element, static_cast<std::size_t>(slice.count) * element));
  }
  return bytes;
}

Digest state_hash(const Manifest& manifest, const std::string& prefix) {
  const PieceIndex index(manifest);
  std::vector<TensorDigests> tensors;
  for (const TensorInfo& tensor : manifest.tensors) {
    if (tensor.kind == TensorKind::per_rank || !tensor.name.starts_with(prefix)) continue;
    TensorDigests digests{tensor, {}};
    for (const PieceIndex::Place& place : index.pieces(tensor))
      digests.blocks.insert(digests.blocks.end(), place.piece->blocks.begin(), place.piece->blocks.end());
    tensors.push_back(std::move(digests));
  }
  return hash_of(std::move(tensors));
}

}  // namespace holdfast
