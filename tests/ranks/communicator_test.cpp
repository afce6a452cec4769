// The promises of dist/communicator.h, held by each transport at every number of ranks that this program is started with. Argument:
// shared_memory or mpi.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "base/section.h"
#include "dist/communicator.h"

namespace holdfast {
namespace {

std::unique_ptr<Communicator> ranks;  // MPI is initialised once in a process
HostTransport transport;

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

TEST(CommunicatorTest, SumsFloatsToTheSameBitsOnEveryRankAndEveryTime) {
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

TEST(CommunicatorTest, TakesMaximumAndMinimumOfIntegersExactly) {
  const std::int64_t large = std::int64_t{1} << 60;
  std::vector<std::int64_t> most{large + ranks->rank(), -ranks->rank()}, least = most;
  ranks->all_reduce(bytes_of(most), ReduceType::i64, ReduceOp::max);
  ranks->all_reduce(bytes_of(least), ReduceType::i64, ReduceOp::min);
  EXPECT_EQ(most, (std::vector<std::int64_t>{large + ranks->size() - 1, 0}));
  EXPECT_EQ(least, (std::vector<std::int64_t>{large, -(ranks->size() - 1)}));
}

TEST(CommunicatorTest, FinishesReductionsInAnyOrder) {
  std::vector<double> a{1.0 * ranks->rank()}, b{10.0 * ranks->rank()};
  const auto first = ranks->start_all_reduce(bytes_of(a), ReduceType::f64, ReduceOp::sum);
  const auto second = ranks->start_all_reduce(bytes_of(b), ReduceType::f64, ReduceOp::sum);
  ranks->finish(second);
  ranks->finish(first);
  const double sum = ranks->size() * (ranks->size() - 1) / 2.0;
  EXPECT_EQ(a[0], sum);
  EXPECT_EQ(b[0], 10 * sum);
}

TEST(CommunicatorTest, ReducesByTheTransportThatWasAskedFor) {
  EXPECT_EQ(ranks->reduction(), ranks->size() == 1 ? "none" : transport == HostTransport::mpi ? "MPI" : "shared memory");
}

TEST(CommunicatorTest, ReducesTheMemoryThatItHasGiven) {
  constexpr std::size_t kCount = 300'000;
  const std::shared_ptr<std::byte> memory = ranks->allocate(kCount * sizeof(float));
  ASSERT_EQ(memory != nullptr, ranks->reduction() == "shared memory");
  if (!memory) return;  // any memory is as good
  const std::span<float> values(reinterpret_cast<float*>(memory.get()), kCount);
  const std::vector<float> mine = awkward_values(kCount, ranks->rank());
  std::copy(mine.begin(), mine.end(), values.begin());
  std::vector<float> copy = mine;
  ranks->all_reduce(std::as_writable_bytes(values), ReduceType::f32, ReduceOp::sum);
  ranks->all_reduce(bytes_of(copy), ReduceType::f32, ReduceOp::sum);
  EXPECT_EQ(std::memcmp(values.data(), copy.data(), copy.size() * sizeof(float)), 0);
}

TEST(CommunicatorTest, SumsHalves) {
  for (const ReduceType type : {ReduceType::bf16, ReduceType::f16}) {
    std::vector<std::uint16_t> values(1001, static_cast<std::uint16_t>(type == ReduceType::bf16 ? 0x3f80 : 0x3c00));  // 1
    ranks->all_reduce(bytes_of(values), type, ReduceOp::sum);
    const float sum = type == ReduceType::bf16 ? std::bit_cast<float>(static_cast<std::uint32_t>(values[1000]) << 16)
                                               : static_cast<float>(std::bit_cast<_Float16>(values[1000]));
    EXPECT_EQ(sum, static_cast<float>(ranks->size()));
  }
}

TEST(CommunicatorTest, NamesTheRankWithAValueThatIsNotFinite) {
  const int last = ranks->size() - 1;
  std::vector<float> values(10'000, ranks->rank() == last ? std::nanf("") : 1.0F);
  ranks->all_reduce(bytes_of(values), ReduceType::f32, ReduceOp::sum);
  EXPECT_EQ(ranks->take_nonfinite_rank(), ranks->sees_nonfinite() ? last : -1);
}

TEST(CommunicatorTest, AVoteTellsEveryRankWhatOneRankKnows) {
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

TEST(CommunicatorTest, GathersTextsOfDifferentLengthsByRank) {
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

TEST(CommunicatorTest, BroadcastsTextAlsoEmpty) {
  const int root = ranks->size() - 1;
  EXPECT_EQ(broadcast_text(*ranks, ranks->rank() == root ? "the text" : "something else", root), "the text");
  EXPECT_EQ(broadcast_text(*ranks, ranks->rank() == root ? "" : "something else", root), "");
}

TEST(CommunicatorTest, CountsTheRanksOfThisHost) {
  EXPECT_EQ(ranks->local_size(), ranks->size());
  EXPECT_EQ(ranks->local_rank(), ranks->rank());
  ranks->barrier();
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  holdfast::SectionTracker sections(nullptr);
  holdfast::transport =
      std::string(argc > 1 ? argv[1] : "") == "mpi" ? holdfast::HostTransport::mpi : holdfast::HostTransport::shared_memory;
  holdfast::ranks = holdfast::make_mpi_communicator(sections, holdfast::transport);
  const int result = RUN_ALL_TESTS();
  holdfast::ranks->close();
  return result;
}
