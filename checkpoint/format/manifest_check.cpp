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
    require(manifest_.world_size >= 1 && static_cast<int>(manifest_.shards.size()) == manifest_.world_size,
            fmt::format("{} shards", manifest_.world_size), std::to_string(manifest_.shards.size()));
    for (const TensorInfo& tensor : manifest_.tensors)
      require(tensors_.emplace(tensor.name, &tensor).second, "each tensor once", tensor.name + " twice");
    for (int rank = 0; rank < manifest_.world_size; ++rank) check_shard(manifest_.shards[static_cast<std::size_t>(rank)], rank);
    for (const TensorInfo& tensor : manifest_.tensors) check_cover(tensor);
    for (const std::string& name : manifest_.transformed) require(is_transform_name(name), "names of transformed copies", name);
  }

 private:
  void require(bool is_good, const std::string& expected, const std::string& found) const {
    if (!is_good)
      throw CorruptCheckpoint(
          ErrorText{.attempted = "read " + where_, .expected = expected, .found = found, .next = "use another checkpoint"});
  }

  void check_shard(const ShardRecord& shard, int rank) {
    const std::string name = shard_name(rank, manifest_.world_size);
    require(shard.rank == rank && shard.file == name, "shard " + name, fmt::format("'{}' of rank {}", shard.file, shard.rank));
    require(shard.head_bytes <= shard.bytes, name + ": a head inside the file", std::to_string(shard.head_bytes));
    for (const PieceRecord& piece : shard.pieces) {
      const auto found = tensors_.find(piece.tensor);
      require(found != tensors_.end(), name + ": pieces of listed tensors", piece.tensor);
      const TensorInfo& tensor = *found->second;
      const std::int64_t elements = tensor.elements();
      require(piece.slice.offset >= 0 && piece.slice.count >= 0 && piece.slice.offset <= elements &&
                  piece.slice.count <= elements - piece.slice.offset,
              fmt::format("{}: a slice inside {} elements of {}", name, elements, piece.tensor),
              fmt::format("{} from {}", piece.slice.count, piece.slice.offset));
      const std::uint64_t bytes = static_cast<std::uint64_t>(piece.slice.count) * size_of(tensor.dtype);
      require(piece.file_offset <= shard.bytes && bytes <= shard.bytes - piece.file_offset &&
                  (bytes == 0 || piece.file_offset >= shard.head_bytes),
              fmt::format("{}: {} inside the file of {} bytes", name, piece.tensor, shard.bytes),
              fmt::format("{} bytes at {}", bytes, piece.file_offset));
      require(piece.blocks.size() == (bytes + kDigestBlockBytes - 1) / kDigestBlockBytes,
              name + ": a digest for each block of " + piece.tensor, std::to_string(piece.blocks.size()));
      slices_[piece.tensor].push_back(piece.slice);
    }
  }

  void check_cover(const TensorInfo& tensor) {
    std::vector<Slice>& slices = slices_[tensor.name];
    if (tensor.kind == TensorKind::per_rank) {
      require(static_cast<int>(slices.size()) == manifest_.world_size, tensor.name + " once for each rank",
              fmt::format("{} times", slices.size()));
      for (const Slice& slice : slices)
        require(slice == Slice{0, tensor.elements()}, "the whole of " + tensor.name, std::to_string(slice.count));
      return;
    }
    std::sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) { return a.offset < b.offset; });
    std::int64_t covered = 0;
    for (const Slice& slice : slices) {
      require(slice.offset == covered, fmt::format("element {} of {} next", covered, tensor.name), std::to_string(slice.offset));
      covered += slice.count;
    }
    require(covered == tensor.elements() && !slices.empty(), fmt::format("all {} elements of {}", tensor.elements(), tensor.name),
            std::to_string(covered));
  }

  const Manifest& manifest_;
  const std::string& where_;
  std::unordered_map<std::string_view, const TensorInfo*> tensors_;
  std::unordered_map<std::string_view, std::vector<Slice>> slices_;
};

}  // namespace

void require_consistent(const Manifest& manifest, const std::string& where) { Check(manifest, where).run(); }

}  // namespace holdfast
