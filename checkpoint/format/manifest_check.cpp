// Whether a manifest that reads well also makes sense: names stay inside the directory, pieces lie inside files and tensors
// and cover each tensor exactly once.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {
namespace {

class Check {
 public:
  Check(const Manifest& manifest, const std::string& where) : manifest_(manifest), where_(where) {}

  void run() {
    if (manifest_.world_size < 1 || static_cast<int>(manifest_.shards.size()) != manifest_.world_size)
      refuse(fmt::format("{} shards", manifest_.world_size), std::to_string(manifest_.shards.size()));
    tensors_.reserve(manifest_.tensors.size());
    for (const TensorInfo& tensor : manifest_.tensors)
      if (!tensors_.emplace(tensor.name, Known{&tensor, {}}).second) refuse("each tensor once", tensor.name + " twice");
    for (int rank = 0; rank < manifest_.world_size; ++rank) check_shard(manifest_.shards[static_cast<std::size_t>(rank)], rank);
    for (const TensorInfo& tensor : manifest_.tensors) check_cover(tensor);
    for (const std::string& name : manifest_.transformed)
      if (!is_transform_name(name)) refuse("names of transformed copies", name);
  }

 private:
  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const {
    throw CorruptCheckpoint(
        ErrorText{.attempted = "read " + where_, .expected = expected, .found = found, .next = "use another checkpoint"});
  }

  void check_shard(const ShardRecord& shard, int rank) {
    const std::string name = shard_name(rank, manifest_.world_size);
    if (shard.rank != rank || shard.file != name) refuse("shard " + name, fmt::format("'{}' of rank {}", shard.file, shard.rank));
    if (shard.head_bytes > shard.bytes) refuse(name + ": a head inside the file", std::to_string(shard.head_bytes));
    for (const PieceRecord& piece : shard.pieces) {
      const auto found = tensors_.find(piece.tensor);
      if (found == tensors_.end()) refuse(name + ": pieces of listed tensors", piece.tensor);
      check_piece(piece, shard, *found->second.info);
      found->second.slices.push_back(piece.slice);
    }
  }

  /// Its slice lies inside of the tensor, and its bytes inside of the file's data.
  void check_piece(const PieceRecord& piece, const ShardRecord& shard, const TensorInfo& tensor) const {
    const std::int64_t elements = tensor.elements();
    if (piece.slice.offset < 0 || piece.slice.count < 0 || piece.slice.offset > elements ||
        piece.slice.count > elements - piece.slice.offset)
      refuse(fmt::format("{}: a slice inside {} elements of {}", shard.file, elements, piece.tensor),
             fmt::format("{} from {}", piece.slice.count, piece.slice.offset));
    const std::uint64_t bytes = static_cast<std::uint64_t>(piece.slice.count) * size_of(tensor.dtype);
    if (piece.file_offset > shard.bytes || bytes > shard.bytes - piece.file_offset || (bytes > 0 && piece.file_offset < shard.head_bytes))
      refuse(fmt::format("{}: {} inside the file of {} bytes", shard.file, piece.tensor, shard.bytes),
             fmt::format("{} bytes at {}", bytes, piece.file_offset));
    if (piece.blocks.size() != (bytes + kDigestBlockBytes - 1) / kDigestBlockBytes)
      refuse(fmt::format("{}: a digest for each block of {}", shard.file, piece.tensor), std::to_string(piece.blocks.size()));
  }

  void check_cover(const TensorInfo& tensor) {
    std::vector<Slice>& slices = tensors_.at(tensor.name).slices;
    if (tensor.kind == TensorKind::per_rank) {
      if (static_cast<int>(slices.size()) != manifest_.world_size)
        refuse(tensor.name + " once for each rank", fmt::format("{} times", slices.size()));
      for (const Slice& slice : slices)
        if (slice != Slice{0, tensor.elements()}) refuse("the whole of " + tensor.name, std::to_string(slice.count));
      return;
    }
    std::sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) { return a.offset < b.offset; });
    std::int64_t covered = 0;
    for (const Slice& slice : slices) {
      if (slice.offset != covered) refuse(fmt::format("element {} of {} next", covered, tensor.name), std::to_string(slice.offset));
      covered += slice.count;
    }
    if (covered != tensor.elements() || slices.empty())
      refuse(fmt::format("all {} elements of {}", tensor.elements(), tensor.name), std::to_string(covered));
  }

  struct Known {
    const TensorInfo* info;
    std::vector<Slice> slices;  // of all shards
  };
  const Manifest& manifest_;
  const std::string& where_;
  std::unordered_map<std::string_view, Known> tensors_;
};

}  // namespace

void require_consistent(const Manifest& manifest, const std::string& where) { Check(manifest, where).run(); }

}  // namespace holdfast
