// What ranks print, read back.
#include <gtest/gtest.h>

#include "launch/doctor/judge.h"
#include "launch/doctor/pairs.h"

namespace holdfast {
namespace {

TEST(ProbeLines, GiveHostsPairsAndWhoWaits) {
  const PairsFacts facts =
      pairs_from({"a line of mpirun", "probe rank 1 on node1", "probe rank 0 on node0", "probe pair 0 1 0.000012000 1500000000",
                  "probe waiting rank 2 on node2 waits for rank 0", "probe rank 2 on node2"},
                 3);
  EXPECT_EQ(facts.hosts, (std::vector<std::string>{"node0", "node1", "node2"}));
  ASSERT_EQ(facts.pairs.size(), 1U);
  EXPECT_EQ(facts.pairs[0].b, 1);
  EXPECT_DOUBLE_EQ(facts.pairs[0].latency_seconds, 12e-6);
  EXPECT_DOUBLE_EQ(facts.pairs[0].bytes_per_second, 1.5e9);
  EXPECT_EQ(facts.waiting, (std::vector<std::string>{"rank 2 on node2 waits for rank 0"}));
  EXPECT_EQ(facts.expected, 3U);
}

TEST(ProbeLines, OfRanksThatThereAreNotAreLeftOut) {
  const PairsFacts facts =
      pairs_from({"probe pair 0 7 0.1 1", "probe pair -1 1 0.1 1", "probe pair 0", "probe rank 9 on x", "probe pair 0 1 0.1"}, 2);
  EXPECT_TRUE(facts.pairs.empty());
  EXPECT_EQ(facts.hosts, (std::vector<std::string>{"", ""}));
}

TEST(ProbeLines, OfAPairThatMetSeveralTimesKeepTheBest) {
  const PairsFacts facts = pairs_from({"probe pair 0 1 0.2 100", "probe pair 0 1 0.1 50", "probe pair 0 1 0.3 300"}, 2);
  ASSERT_EQ(facts.pairs.size(), 1U);
  EXPECT_DOUBLE_EQ(facts.pairs[0].latency_seconds, 0.1);
  EXPECT_DOUBLE_EQ(facts.pairs[0].bytes_per_second, 300);
}

TEST(RanksThatWait, AreNamedWhereTheyWaitForEachOther) {
  PairsFacts facts{.error = "the ranks were not done talking"};
  facts.waiting = {"rank 0 on a waits for rank 1", "rank 1 on b waits for rank 2", "rank 2 on c waits for rank 1"};
  const std::string found = judge_pairs(facts, {}).at(0).found;
  EXPECT_NE(found.find("rank 1 on b waits for rank 2; rank 2 on c waits for rank 1"), found.npos) << found;
  EXPECT_EQ(found.find("rank 0"), found.npos) << found;
}

}  // namespace
}  // namespace holdfast
