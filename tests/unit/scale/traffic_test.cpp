// The model of messages, held against trees that are walked one message at a time.
#include "bench/scale/traffic.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <vector>

namespace holdfast {
namespace {

constexpr int kSizes[] = {2, 3, 4, 5, 8, 10, 31, 32, 100, 1000, 10000};

TEST(Traffic, OfAnAllGatherDoublesWhatEachRankHasInEveryRound) {
  for (const int ranks : kSizes) {
    const Traffic traffic = allgather_traffic(ranks, 72);
    std::uint64_t rounds = 0, has = 1;
    for (; has < static_cast<std::uint64_t>(ranks); has *= 2) ++rounds;
    EXPECT_EQ(traffic.rounds, rounds) << ranks;
    EXPECT_EQ(traffic.messages, rounds * static_cast<std::uint64_t>(ranks)) << ranks;
    EXPECT_EQ(traffic.bytes, static_cast<std::uint64_t>(ranks) * static_cast<std::uint64_t>(ranks - 1) * 72) << ranks;
  }
}

TEST(Traffic, OfAnAllGatherOfMoreThanAVoteIsNotGuessed) { EXPECT_THROW(allgather_traffic(100, 512), std::invalid_argument); }

/// A binomial tree from `root`, walked: in each round everybody who has it sends it on.
Traffic walked_broadcast(int ranks, std::uint64_t bytes, int root) {
  Traffic traffic;
  for (int has = 1; has < ranks; has *= 2, ++traffic.rounds)
    for (int from = 0; from < has && from + has < ranks; ++from) {
      ++traffic.messages;
      traffic.bytes += bytes;
      for (const int number : {from, from + has})
        if ((number + root) % ranks == 0) ++traffic.rank0_messages;
    }
  return traffic;
}

TEST(Traffic, OfAShortBroadcastIsThatOfATree) {
  for (const int ranks : kSizes)
    for (const int root : {0, 1, ranks / 2, ranks - 1}) {
      if (ranks <= 4) continue;
      const Traffic model = broadcast_traffic(ranks, 1000, root), walked = walked_broadcast(ranks, 1000, root);
      EXPECT_EQ(model.messages, walked.messages) << ranks << " from " << root;
      EXPECT_EQ(model.bytes, walked.bytes) << ranks << " from " << root;
      EXPECT_EQ(model.rounds, walked.rounds) << ranks << " from " << root;
      EXPECT_EQ(model.rank0_messages, walked.rank0_messages) << ranks << " from " << root;
    }
}

TEST(Traffic, OfALongBroadcastIsThatOfAChainOfSegments) {
  const Traffic short_segments = broadcast_traffic(10, 100 << 10, 0), long_segments = broadcast_traffic(10, 1 << 20, 5);
  EXPECT_EQ(short_segments.messages, 9u * 13) << "8 KiB each";
  EXPECT_EQ(short_segments.rounds, 9u + 12);
  EXPECT_EQ(short_segments.rank0_messages, 13u) << "it is the first of the chain";
  EXPECT_EQ(long_segments.messages, 9u * 32) << "32 KiB each";
  EXPECT_EQ(long_segments.rank0_messages, 64u) << "it hears and passes on";
  EXPECT_EQ(long_segments.bytes, 9u << 20);
}

TEST(Traffic, OfAGatherBringsEveryTextToRank0InAMessageOfItsOwn) {
  std::vector<std::uint64_t> lengths(100);
  std::iota(lengths.begin(), lengths.end(), 0u);
  const Traffic traffic = gather_traffic(lengths), of_lengths = gather_traffic(std::vector<std::uint64_t>(100, 0));
  EXPECT_EQ(of_lengths.messages, 99u);
  EXPECT_EQ(of_lengths.rank0_bytes, 99u * 4);
  EXPECT_EQ(of_lengths.rounds, 7u);
  EXPECT_EQ(traffic.messages - of_lengths.messages, 99u);
  EXPECT_EQ(traffic.rank0_bytes - of_lengths.rank0_bytes, 99u * 100 / 2);
}

TEST(Traffic, OfARingAllReduceIsNearlyTwiceTheBytesWhateverTheNumberOfRanks) {
  EXPECT_EQ(ring_all_reduce_bytes(2, 1000), 1000);
  EXPECT_EQ(ring_all_reduce_bytes(8, 1000), 1750);
  EXPECT_NEAR(ring_all_reduce_bytes(10000, 1000), 2000, 0.3);
}

}  // namespace
}  // namespace holdfast
