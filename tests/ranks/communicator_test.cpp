// The promises of dist/communicator.h, held by MPI at every number of ranks that this program is started with.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "base/section.h"
#include "dist/communicator.h"

namespace holdfast {
namespace {

std::unique_ptr<Communicator> ranks;  // MPI is initialised once in a process

template <class T>
std::span<std::byte> bytes_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

/// True on every rank when all ranks hold the same bytes.
bool is_same_everywhere(std::span<const std::byte> mine) {
  std::vector<std::byte> of_rank_0(mine.begin(), mine.end());
  ranks->broadcast(of_rank_0, 0);
  std::vector<std::int64_t> differing{std::equal(mine.begin(), mine.end(), of_rank_0.begin()) ? 0 : 1};
  ranks->all_reduce(bytes_of(differing), ReduceType::i64, ReduceOp::sum);
  return differing[0] == 0;
}

/// Values whose sum depends on the order of its terms.
std::vector<float> awkward_values(std::size_t count, int rank) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = std::ldexp(1.0F / static_cast<float>(3 + i % 17 + static_cast<std::size_t>(rank)), static_cast<int>(i % 40) - 20);
  return values;
}

TEST(MpiCommunicator, SumsFloatsToTheSameBitsOnEveryRankAndEveryTime) {
  for (const std::size_t count : {1, 7, 1000, 250'000, 2'000'003}) {
    std::vector<float> first = awkward_values(count, ranks->rank()), second = first;
    ranks->all_reduce(bytes_of(first), ReduceType::f32, ReduceOp::sum);
    ranks->all_reduce(bytes_of(second), ReduceType::f32, ReduceOp::sum);
    EXPECT_TRUE(is_same_everywhere(std::as_bytes(std::span(first)))) << count;
    EXPECT_EQ(std::memcmp(first.data(), second.data(), count * sizeof(float)), 0) << count;
    double expected = 0;
    for (int rank = 0; rank < ranks->size(); ++rank) expected += awkward_values(count, rank).back();
    EXPECT_NEAR(first.back(), expected, 1e-5 * expected) << count;
  }
}

TEST(MpiCommunicator, TakesMaximumAndMinimumOfIntegersExactly) {
  const std::int64_t large = std::int64_t{1} << 60;
  std::vector<std::int64_t> most{large + ranks->rank(), -ranks->rank()}, least = most;
  ranks->all_reduce(bytes_of(most), ReduceType::i64, ReduceOp::max);
  ranks->all_reduce(bytes_of(least), ReduceType::i64, ReduceOp::min);
  EXPECT_EQ(most, (std::vector<std::int64_t>{large + ranks->size() - 1, 0}));
  EXPECT_EQ(least, (std::vector<std::int64_t>{large, -(ranks->size() - 1)}));
}

TEST(MpiCommunicator, FinishesReductionsInAnyOrder) {
  std::vector<double> a{1.0 * ranks->rank()}, b{10.0 * ranks->rank()};
  const auto first = ranks->start_all_reduce(bytes_of(a), ReduceType::f64, ReduceOp::sum);
  const auto second = ranks->start_all_reduce(bytes_of(b), ReduceType::f64, ReduceOp::sum);
  ranks->finish(second);
  ranks->finish(first);
  const double sum = ranks->size() * (ranks->size() - 1) / 2.0;
  EXPECT_EQ(a[0], sum);
  EXPECT_EQ(b[0], 10 * sum);
}

TEST(MpiCommunicator, AVoteTellsEveryRankWhatOneRankKnows) {
  Vote mine;
  mine.count = ranks->rank() + 1;
  mine.loss_sum = 1.0 / (3 + ranks->rank());
  mine.shard_ended = 100 - ranks->rank();
  const int last = ranks->size() - 1;
  if (ranks->rank() == last) mine.failed_rank = mine.stop_rank = last;
  const Vote facts = ranks->vote(mine);
  EXPECT_EQ(facts.failed_rank, last);
  EXPECT_EQ(facts.stop_rank, last);
  EXPECT_FALSE(is_set(facts.nonfinite_rank));
  EXPECT_EQ(facts.count, ranks->size() * (ranks->size() + 1) / 2);
  EXPECT_EQ(facts.shard_ended, 100 - last);
  double in_rank_order = 0;
  for (int rank = 0; rank <= last; ++rank) in_rank_order += 1.0 / (3 + rank);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(facts.loss_sum), std::bit_cast<std::uint64_t>(in_rank_order));
}

TEST(MpiCommunicator, GathersTextsOfDifferentLengthsByRank) {
  const std::string mine(static_cast<std::size_t>(ranks->rank()) * 1000, static_cast<char>('a' + ranks->rank()));
  const int root = ranks->size() - 1;
  const std::vector<std::string> texts = ranks->gather(mine, root);
  if (ranks->rank() != root) {
    EXPECT_TRUE(texts.empty());
    return;
  }
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(ranks->size()));
  for (int rank = 0; rank < ranks->size(); ++rank)
    EXPECT_EQ(texts[static_cast<std::size_t>(rank)], std::string(static_cast<std::size_t>(rank) * 1000, static_cast<char>('a' + rank)));
}

TEST(MpiCommunicator, BroadcastsTextAlsoEmpty) {
  const int root = ranks->size() - 1;
  EXPECT_EQ(broadcast_text(*ranks, ranks->rank() == root ? "the text" : "something else", root), "the text");
  EXPECT_EQ(broadcast_text(*ranks, ranks->rank() == root ? "" : "something else", root), "");
}

TEST(MpiCommunicator, CountsTheRanksOfThisHost) {
  EXPECT_EQ(ranks->local_size(), ranks->size());
  EXPECT_EQ(ranks->local_rank(), ranks->rank());
  ranks->barrier();
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  holdfast::SectionTracker sections(nullptr);
  holdfast::ranks = holdfast::make_mpi_communicator(sections);
  const int result = RUN_ALL_TESTS();
  holdfast::ranks->close();
  return result;
}
