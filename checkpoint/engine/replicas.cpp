#include "checkpoint/engine/replicas.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/host.h"

namespace holdfast {
namespace {

void append(std::string& report, std::span<const std::vector<Digest>> parts) {
  for (const std::vector<Digest>& blocks : parts)
    for (const Digest& block : blocks) report.append(reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size());
}

std::size_t blocks_of(const StateEntry& entry, const Part& part) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(part.slice.count) * size_of(entry.info.dtype);
  return static_cast<std::size_t>((bytes + kDigestBlockBytes - 1) / kDigestBlockBytes);
}

std::uint64_t first_block(const StateEntry& entry, const Part& part) {
  return static_cast<std::uint64_t>(part.slice.offset) * size_of(entry.info.dtype) / kDigestBlockBytes;
}

/// "rank 1 on a, rank 3 on b"
std::string names_of(const std::vector<int>& members, const std::vector<std::string>& hosts) {
  std::vector<std::string> names;
  for (const int rank : members) names.push_back(fmt::format("rank {} on {}", rank, hosts[static_cast<std::size_t>(rank)]));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string verdict(const std::vector<std::string>& digests, const std::vector<std::string>& hosts) {
  std::map<std::string, std::vector<int>> groups;
  for (std::size_t rank = 0; rank < digests.size(); ++rank) groups[digests[rank]].push_back(static_cast<int>(rank));
  if (groups.size() == 1) return "the live values are the same on all ranks now: a copy was changed while it was being saved";
  const auto largest =
      std::max_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (2 * largest->second.size() <= digests.size()) {
    std::vector<int> all;
    for (const auto& [digest, members] : groups) all.insert(all.end(), members.begin(), members.end());
    std::sort(all.begin(), all.end());
    return fmt::format("one of {} is wrong and no majority tells which: {}", digests.size(), names_of(all, hosts));
  }
  std::vector<int> wrong;
  for (const auto& [digest, members] : groups)
    if (digest != largest->first) wrong.insert(wrong.end(), members.begin(), members.end());
  std::sort(wrong.begin(), wrong.end());
  return fmt::format("{} has other bits than {} of {} ranks", names_of(wrong, hosts), largest->second.size(), digests.size());
}

}  // namespace

int checked_rank(int rank, int world_size, std::int64_t save) {
  if (world_size == 1) return rank;
  return static_cast<int>((rank + 1 + (save - 1) % (world_size - 1)) % world_size);
}

std::vector<Part> replicated_parts(std::span<const StateEntry> entries, int rank, int world_size) {
  std::vector<Part> parts = parts_of_rank(entries, rank, world_size);
  std::erase_if(parts, [&](const Part& part) { return entries[part.entry].info.kind != TensorKind::replicated; });
  return parts;
}

std::string replica_report(std::span<const std::vector<Digest>> own, std::span<const std::vector<Digest>> checked) {
  std::string report;
  append(report, own);
  append(report, checked);
  return report;
}

std::optional<Disagreement> find_disagreement(std::span<const StateEntry> entries, std::span<const std::string> reports,
                                              std::int64_t save) {
  const int world_size = static_cast<int>(reports.size());
  std::vector<std::vector<Part>> parts;
  std::vector<std::size_t> sizes;  // of what each owner reports of its own, in bytes
  for (int rank = 0; rank < world_size; ++rank) {
    parts.push_back(replicated_parts(entries, rank, world_size));
    std::size_t blocks = 0;
    for (const Part& part : parts.back()) blocks += blocks_of(entries[part.entry], part);
    sizes.push_back(blocks * sizeof(Digest));
  }
  for (int checker = 0; checker < world_size && world_size > 1; ++checker) {
    const auto owner = static_cast<std::size_t>(checked_rank(checker, world_size, save));
    const std::string_view own = std::string_view(reports[owner]).substr(0, sizes[owner]),
                           checked = std::string_view(reports[static_cast<std::size_t>(checker)])
                                         .substr(sizes[static_cast<std::size_t>(checker)]);
    std::size_t at = 0;
    for (const Part& part : parts[owner])
      for (std::size_t block = 0; block < blocks_of(entries[part.entry], part); ++block, at += sizeof(Digest))
        if (own.substr(at, sizeof(Digest)) != checked.substr(at, sizeof(Digest)))
          return Disagreement{part.entry, first_block(entries[part.entry], part) + block, static_cast<int>(owner), checker};
  }
  return std::nullopt;
}

std::string describe_disagreement(Communicator& ranks, std::span<const StateEntry> entries, const Disagreement& disagreement) {
  const StateEntry& entry = entries[disagreement.entry];
  const std::uint64_t from = disagreement.block * kDigestBlockBytes;
  std::vector<std::byte> bytes(std::min<std::uint64_t>(kDigestBlockBytes, entry.info.bytes() - from));
  entry.copy_to(from, bytes);
  const std::vector<std::string> digests = ranks.gather(to_hex(digest_of(bytes)), 0), hosts = ranks.gather(host_name(), 0);
  std::string text;
  if (ranks.rank() == 0)
    text = fmt::format("silent data corruption: rank {} and rank {} have different bits in {}, block {} ({} bytes from byte {}): {}",
                       disagreement.owner, disagreement.checker, entry.info.name, disagreement.block, bytes.size(), from,
                       verdict(digests, hosts));
  return broadcast_text(ranks, text, 0);
}

}  // namespace holdfast
