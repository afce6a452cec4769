#include "checkpoint/engine/partition.h"

#include <algorithm>

#include "base/digest.h"

namespace holdfast {
namespace {

/// `bytes` rounded to the nearest edge of a digest block inside a tensor of `size` bytes.
std::uint64_t block_edge(std::uint64_t bytes, std::uint64_t size) {
  if (bytes >= size) return size;
  return std::min(size, (bytes + kDigestBlockBytes / 2) / kDigestBlockBytes * kDigestBlockBytes);
}

}  // namespace

std::vector<Part> parts_of_rank(std::span<const StateEntry> entries, int rank, int world_size) {
  std::uint64_t total = 0;
  for (const StateEntry& entry : entries)
    if (entry.info.kind == TensorKind::replicated) total += entry.info.bytes();
  const std::uint64_t share = total / static_cast<std::uint64_t>(world_size);
  const std::uint64_t begin = share * static_cast<std::uint64_t>(rank), end = rank + 1 == world_size ? total : begin + share;

  std::vector<Part> parts;
  std::uint64_t at = 0;  // of all replicated bytes
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const TensorInfo& info = entries[i].info;
    if (info.kind != TensorKind::replicated) {
      parts.push_back({i, entries[i].slice});
      continue;
    }
    const std::uint64_t size = info.bytes();
    // Both edges are functions of the share's edge alone, so that neighbours agree on them.
    const std::uint64_t from = begin <= at ? 0 : block_edge(begin - at, size);
    const std::uint64_t to = rank + 1 == world_size ? size : end <= at ? 0 : block_edge(end - at, size);
    if (size == 0 ? rank == 0 : from < to) {
      const auto element = static_cast<std::uint64_t>(size_of(info.dtype));
      parts.push_back({i, {static_cast<std::int64_t>(from / element), static_cast<std::int64_t>((to - from) / element)}});
    }
    at += size;
  }
  return parts;
}

}  // namespace holdfast
