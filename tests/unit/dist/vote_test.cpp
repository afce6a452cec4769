#include "dist/vote.h"

#include <gtest/gtest.h>

#include <array>
#include <type_traits>

#include "dist/communicator.h"

namespace holdfast {
namespace {

TEST(Vote, OfNobodySaysNothing) {
  const Vote vote;
  for (const std::int32_t rank : {vote.failed_rank, vote.nonfinite_rank, vote.stop_rank}) EXPECT_FALSE(is_set(rank));
  EXPECT_TRUE(is_set(0));
}

TEST(Vote, NamesTheLowestRankOfEachFact) {
  Vote all = {.failed_rank = 3, .stop_rank = 1};
  combine(all, {.failed_rank = 2, .nonfinite_rank = 5, .stop_rank = 4});
  EXPECT_EQ(all.failed_rank, 2);
  EXPECT_EQ(all.nonfinite_rank, 5);
  EXPECT_EQ(all.stop_rank, 1);
}

TEST(Vote, HoldsShardsForWrittenWhenEveryRankIsThroughAndACommitForEndedWhenOneSaysSo) {
  Vote all = {.shard_ended = 3, .commit_ended = 2};
  combine(all, {.shard_ended = 2, .commit_ended = 0});
  combine(all, {.shard_ended = 3, .commit_ended = 3});
  EXPECT_EQ(all.shard_ended, 2);
  EXPECT_EQ(all.commit_ended, 3);
}

TEST(Vote, TellsRanksThatVoteInDifferentCalls) {
  Vote all;
  combine(all, {});
  EXPECT_FALSE(has_diverged(all));
  combine(all, {.lowest_call = 2, .highest_call = 2});
  combine(all, {.lowest_call = 2, .highest_call = 2});
  EXPECT_FALSE(has_diverged(all));
  combine(all, {.lowest_call = 0, .highest_call = 0});
  EXPECT_TRUE(has_diverged(all));
}

TEST(Vote, SumsLossAndCount) {
  Vote all;
  combine(all, {.loss_sum = 1.5, .count = 3});
  combine(all, {.loss_sum = 2.25, .count = 0});
  EXPECT_EQ(all.loss_sum, 3.75);
  EXPECT_EQ(all.count, 3);
}

TEST(Vote, TravelsAsBytes) { EXPECT_TRUE(std::is_trivially_copyable_v<Vote>); }

TEST(LocalCommunicator, IsOneRankWhoseCollectivesGiveBackWhatItGave) {
  const auto ranks = make_local_communicator();
  EXPECT_EQ(ranks->rank(), 0);
  EXPECT_EQ(ranks->size(), 1);
  EXPECT_EQ(ranks->local_size(), 1);
  std::array<double, 2> values = {1.5, -2};
  ranks->all_reduce(std::as_writable_bytes(std::span(values)), ReduceType::f64, ReduceOp::sum);
  EXPECT_EQ(values, (std::array<double, 2>{1.5, -2}));
  EXPECT_EQ(ranks->vote({.failed_rank = 0, .count = 4}).count, 4);
  EXPECT_EQ(ranks->gather("mine", 0), std::vector<std::string>{"mine"});
  EXPECT_EQ(broadcast_text(*ranks, std::string("with\0zero", 9), 0), std::string("with\0zero", 9));
}

}  // namespace
}  // namespace holdfast
