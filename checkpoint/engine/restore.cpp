#include "checkpoint/engine/restore.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "base/error.h"
#include "checkpoint/format/shard.h"

namespace holdfast {
namespace {

bool is_wanted(const std::string& name, RestoreScope scope) { return scope == RestoreScope::everything || name.starts_with(kModelPrefix); }

std::string describe(const TensorInfo& info) { return fmt::format("{} [{}]", name_of(info.dtype), fmt::join(info.shape, ", ")); }

/// Every wanted tensor is on both sides with the same shape and dtype.
void require_same_tensors(const Path& checkpoint, const Manifest& manifest, std::span<const StateEntry> targets, RestoreScope scope) {
  const std::string next =
      "resume with the configuration that wrote it (it is in its manifest), or start a new run directory; "
      "`init_from` takes only the weights";
  std::map<std::string, const TensorInfo*> stored;
  for (const TensorInfo& info : manifest.tensors)
    if (is_wanted(info.name, scope)) stored[info.name] = &info;
  for (const StateEntry& target : targets) {
    if (!is_wanted(target.info.name, scope)) continue;
    const auto found = stored.find(target.info.name);
    const std::string attempted = fmt::format("restore {} from {}", target.info.name, checkpoint.string());
    if (found == stored.end())
      throw ConfigError(
          ErrorText{.attempted = attempted, .expected = describe(target.info), .found = "no tensor of that name", .next = next});
    if (found->second->dtype != target.info.dtype || found->second->shape != target.info.shape)
      throw ConfigError(
          ErrorText{.attempted = attempted, .expected = describe(target.info), .found = describe(*found->second), .next = next});
    stored.erase(found);
  }
  if (!stored.empty())
    throw ConfigError(
        ErrorText{.attempted = "restore from " + checkpoint.string(),
                  .found = fmt::format("{} which this run does not have ({} such tensors)", stored.begin()->first, stored.size()),
                  .next = next});
}

/// Copies the part of `piece` (bytes in `from`) that lies in the target's slice.
void copy_overlap(const StateEntry& target, const Slice& piece, std::span<const std::byte> from) {
  const auto element = static_cast<std::int64_t>(size_of(target.info.dtype));
  const std::int64_t begin = std::max(piece.offset, target.slice.offset);
  const std::int64_t end = std::min(piece.offset + piece.count, target.slice.offset + target.slice.count);
  if (begin >= end) return;
  target.copy_from(
      static_cast<std::uint64_t>((begin - target.slice.offset) * element),
      from.subspan(static_cast<std::size_t>((begin - piece.offset) * element), static_cast<std::size_t>((end - begin) * element)));
}

bool overlaps(const StateEntry& target, const Slice& piece) {
  return piece.offset < target.slice.offset + target.slice.count && target.slice.offset < piece.offset + piece.count;
}

}  // namespace

void restore_tensors(FileSystem& files, const Path& checkpoint, const Manifest& manifest, std::span<const StateEntry> targets, int rank,
                     RestoreScope scope) {
  require_same_tensors(checkpoint, manifest, targets, scope);
  std::map<std::string, const StateEntry*> by_name;
  for (const StateEntry& target : targets)
    if (is_wanted(target.info.name, scope)) by_name[target.info.name] = &target;
  const int source_rank = rank % manifest.world_size;
  std::vector<std::byte> buffer;
  for (const ShardRecord& shard : manifest.shards) {
    const ShardReader reader(files, checkpoint, shard);
    for (const PieceRecord& piece : shard.pieces) {
      const auto found = by_name.find(piece.tensor);
      if (found == by_name.end()) continue;
      const StateEntry& target = *found->second;
      const bool is_mine = target.info.kind == TensorKind::per_rank ? shard.rank == source_rank : overlaps(target, piece.slice);
      if (!is_mine) continue;
      const std::size_t element = size_of(target.info.dtype);
      buffer.resize(static_cast<std::size_t>(piece.slice.count) * element);
      reader.read(piece, element, buffer);
      copy_overlap(target, piece.slice, buffer);
    }
  }
}

}  // namespace holdfast
