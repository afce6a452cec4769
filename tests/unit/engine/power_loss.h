// What of the changes that are not synced has reached the disk when the power goes: subsets to try.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace holdfast {

/// Of the changes that MemoryFileSystem counts as unsynced: those that have reached the disk.
using Subset = std::vector<bool>;

inline constexpr std::size_t kAllSubsets = 1000;  // up to so many are tried one and all

/// All of them, or of more than kAllSubsets: everything, nothing, all but one, one alone, and others at random.
inline std::set<Subset> subsets_of(std::size_t changes, std::size_t sample, std::uint64_t seed) {
  std::set<Subset> subsets;
  if (changes < 64 && (std::uint64_t{1} << changes) <= kAllSubsets) {
    for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << changes); ++bits) {
      Subset subset(changes);
      for (std::size_t i = 0; i < changes; ++i) subset[i] = bits >> i & 1;
      subsets.insert(std::move(subset));
    }
    return subsets;
  }
  for (const bool is_kept : {true, false}) {
    subsets.insert(Subset(changes, is_kept));
    for (std::size_t i = 0; i < changes && subsets.size() < sample; ++i) {
      Subset subset(changes, is_kept);
      subset[(i + seed) % changes] = !is_kept;
      subsets.insert(std::move(subset));
    }
  }
  std::mt19937_64 random(seed);
  while (subsets.size() < sample) {
    Subset subset(changes);
    const std::uint64_t of_eight = 1 + random() % 7;
    for (std::size_t i = 0; i < changes; ++i) subset[i] = random() % 8 < of_eight;
    subsets.insert(std::move(subset));
  }
  return subsets;
}

inline std::string text_of(const Subset& subset) {
  std::string text;
  for (const bool is_kept : subset) text += is_kept ? '1' : '0';
  return text;
}

}  // namespace holdfast
