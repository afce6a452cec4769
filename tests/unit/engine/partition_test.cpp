#include "checkpoint/engine/partition.h"

#include <gmock/gmock.h>

#include "base/digest.h"

namespace holdfast {
namespace {

StateEntry entry(std::int64_t elements, DType dtype = DType::f32, TensorKind kind = TensorKind::replicated) {
  return {.info = {.name = "t", .dtype = dtype, .shape = {elements}, .kind = kind}, .slice = {0, elements}};
}

std::uint64_t bytes_of_rank(std::span<const StateEntry> entries, int rank, int world_size) {
  std::uint64_t bytes = 0;
  for (const Part& part : parts_of_rank(entries, rank, world_size))
    bytes += static_cast<std::uint64_t>(part.slice.count) * size_of(entries[part.entry].info.dtype);
  return bytes;
}

/// Sets of tensors of every kind of size: empty, one element, just around a block's edge, many blocks.
std::vector<std::vector<StateEntry>> sets_of_entries() {
  std::vector<std::vector<StateEntry>> sets = {
      {}, {entry(0)}, {entry(1)}, {entry(1 << 18)}, {entry((1 << 18) - 1), entry((1 << 18) + 1)}, {entry(10'000'000), entry(0), entry(3)}};
  std::uint64_t random = 5;
  for (int set = 0; set < 30; ++set) {
    sets.emplace_back();
    for (int i = 0; i < 20; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const auto bits = static_cast<int>((random >> 40) % 22);
      const DType dtype = (random >> 33) % 3 == 0 ? DType::bf16 : (random >> 33) % 3 == 1 ? DType::f32 : DType::f64;
      sets.back().push_back(entry(static_cast<std::int64_t>((random >> 20) % (std::uint64_t{1} << bits)), dtype));
    }
  }
  return sets;
}

TEST(Partition, EachByteIsWrittenOnce) {
  for (const auto& entries : sets_of_entries())
    for (int world_size = 1; world_size <= 9; ++world_size) {
      std::vector<std::int64_t> covered(entries.size(), 0);
      std::vector<int> pieces(entries.size(), 0);
      for (int rank = 0; rank < world_size; ++rank)
        for (const Part& part : parts_of_rank(entries, rank, world_size)) {
          ASSERT_EQ(part.slice.offset, covered[part.entry]) << "rank " << rank << " of " << world_size;
          covered[part.entry] += part.slice.count;
          ++pieces[part.entry];
        }
      for (std::size_t i = 0; i < entries.size(); ++i) {
        ASSERT_EQ(covered[i], entries[i].info.elements()) << world_size;
        ASSERT_GE(pieces[i], 1) << "an empty tensor has a piece too";
      }
    }
}

TEST(Partition, CutsLieOnBlockEdges) {
  for (const auto& entries : sets_of_entries())
    for (int world_size = 1; world_size <= 9; ++world_size)
      for (int rank = 0; rank < world_size; ++rank)
        for (const Part& part : parts_of_rank(entries, rank, world_size)) {
          const std::size_t element = size_of(entries[part.entry].info.dtype);
          ASSERT_EQ(static_cast<std::size_t>(part.slice.offset) * element % kDigestBlockBytes, 0u);
        }
}

TEST(Partition, EveryRankWritesAboutTheSame) {
  // A cut moves by at most half a block from where it would be fair.
  for (const auto& entries : sets_of_entries())
    for (int world_size = 1; world_size <= 9; ++world_size) {
      std::uint64_t total = 0;
      for (const StateEntry& each : entries) total += each.info.bytes();
      const std::uint64_t fair = total / static_cast<std::uint64_t>(world_size);
      for (int rank = 0; rank < world_size; ++rank) {
        const std::uint64_t bytes = bytes_of_rank(entries, rank, world_size);
        const std::uint64_t slack = kDigestBlockBytes + static_cast<std::uint64_t>(world_size);
        ASSERT_LE(bytes, fair + slack) << "rank " << rank << " of " << world_size;
        ASSERT_GE(bytes + slack, fair) << "rank " << rank << " of " << world_size;
      }
    }
}

TEST(Partition, OneRankWritesEverythingWhole) {
  const std::vector<StateEntry> entries = {entry(5'000'000), entry(0), entry(7, DType::bf16)};
  const std::vector<Part> parts = parts_of_rank(entries, 0, 1);
  ASSERT_EQ(parts.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(parts[i].slice, entries[i].slice);
}

TEST(Partition, ShardedAndPerRankStateIsWrittenByItsOwner) {
  std::vector<StateEntry> entries = {entry(10, DType::u8, TensorKind::per_rank), entry(100, DType::f32, TensorKind::sharded)};
  entries[1].slice = {25, 25};
  for (int rank = 0; rank < 4; ++rank) {
    const std::vector<Part> parts = parts_of_rank(entries, rank, 4);
    ASSERT_EQ(parts.size(), 2u);
    EXPECT_EQ(parts[0].slice, (Slice{0, 10}));
    EXPECT_EQ(parts[1].slice, (Slice{25, 25}));
  }
}

}  // namespace
}  // namespace holdfast
