#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "data/batch_plan.h"
#include "data/permutation.h"

namespace holdfast {
namespace {

TEST(Permutation, IsABijectionForManySizesSeedsAndEpochs) {
  for (const std::int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 100, 255, 256, 257, 1000, 4095, 4097, 60000})
    for (const std::uint64_t seed : {0u, 1u, 12345u})
      for (const std::int64_t epoch : {0, 1, 50}) {
        const Permutation order(n, seed, epoch);
        std::vector<bool> seen(static_cast<std::size_t>(n), false);
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t to = order(i);
          ASSERT_TRUE(to >= 0 && to < n && !seen[static_cast<std::size_t>(to)]) << n << " " << seed << " " << epoch << " " << i;
          seen[static_cast<std::size_t>(to)] = true;
        }
      }
}

TEST(Permutation, WorksFarBeyondMemory) {
  const std::int64_t n = 1'000'000'000'000;
  const Permutation order(n, 7, 3);
  std::set<std::int64_t> seen;
  for (std::int64_t i = 0; i < 10000; ++i) {
    const std::int64_t to = order(i * 99'999'999);
    ASSERT_TRUE(to >= 0 && to < n);
    seen.insert(to);
  }
  EXPECT_EQ(seen.size(), 10000u);
}

/// Chi-square of where one index goes, over many keys. For n - 1 degrees of freedom the statistic has mean n - 1 and
/// variance 2 (n - 1); five standard deviations are a chance of less than one in a million.
double excess(std::int64_t n, std::int64_t index, bool over_epochs) {
  const std::int64_t trials = 200 * n;
  std::vector<double> counts(static_cast<std::size_t>(n), 0);
  for (std::int64_t t = 0; t < trials; ++t) {
    const Permutation order(n, over_epochs ? 1 : static_cast<std::uint64_t>(t), over_epochs ? t : 0);
    ++counts[static_cast<std::size_t>(order(index))];
  }
  const double expected = static_cast<double>(trials) / static_cast<double>(n);
  double chi_square = 0;
  for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  return (chi_square - static_cast<double>(n - 1)) / std::sqrt(2.0 * static_cast<double>(n - 1));
}

TEST(Permutation, SendsEachIndexEverywhereEquallyOften) {
  for (const std::int64_t n : {5, 16, 37, 100, 257})
    for (const std::int64_t index : {std::int64_t{0}, n / 2, n - 1})
      for (const bool over_epochs : {false, true}) EXPECT_LT(excess(n, index, over_epochs), 5.0) << n << " " << index << " " << over_epochs;
}

TEST(Permutation, NeighboursDoNotStayNeighbours) {
  const std::int64_t n = 10000;
  const Permutation order(n, 1, 0);
  std::int64_t close = 0;
  for (std::int64_t i = 0; i + 1 < n; ++i) close += std::abs(order(i + 1) - order(i)) <= 10;
  EXPECT_LT(close, 60);  // 20 are expected of a random order
}

TEST(BatchPlan, TheGlobalBatchIsTheSameAtEveryWorldSize) {
  for (const bool drop_last : {false, true})
    for (std::int64_t seen = 0; seen < 2000;) {
      std::vector<std::int64_t> reference;
      std::int64_t size = 0;
      for (const int world : {1, 2, 3, 4}) {
        std::vector<std::int64_t> all;
        for (int rank = 0; rank < world; ++rank) {
          const BatchPlan plan{
              .dataset_samples = 1000, .global_batch_size = 128, .drop_last = drop_last, .seed = 3, .rank = rank, .world_size = world};
          const auto mine = plan.my_indices_at(seen);
          all.insert(all.end(), mine.begin(), mine.end());
          size = plan.global_samples_at(seen);
        }
        if (world == 1) reference = all;
        ASSERT_EQ(all, reference) << "world size " << world << " at " << seen;
        ASSERT_EQ(static_cast<std::int64_t>(all.size()), size);
      }
      seen += size;
    }
}

TEST(BatchPlan, AnEpochReadsEverySampleOnceAndTheNextInAnotherOrder) {
  const BatchPlan plan{.dataset_samples = 1000, .global_batch_size = 128, .seed = 3};
  std::vector<std::int64_t> epochs[2];
  for (std::int64_t seen = 0; seen < 2000; seen += plan.global_samples_at(seen))
    for (const std::int64_t index : plan.my_indices_at(seen)) epochs[seen / 1000].push_back(index);
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) {
    std::sort(epoch.begin(), epoch.end());
    std::vector<std::int64_t> all(1000);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(epoch, all);
  }
}

TEST(BatchPlan, TheShortLastBatchEndsWithTheEpochUnlessItIsDropped) {
  BatchPlan plan{.dataset_samples = 1000, .global_batch_size = 128};
  EXPECT_EQ(plan.global_samples_at(896), 104);
  EXPECT_EQ(plan.global_samples_at(1000), 128);
  plan.drop_last = true;
  EXPECT_EQ(plan.epoch_samples(), 896);
  EXPECT_EQ(plan.global_samples_at(896), 128);
}

TEST(BatchPlan, ARankMayHaveNoSample) {
  const BatchPlan plan{.dataset_samples = 10, .global_batch_size = 2, .rank = 0, .world_size = 3};
  EXPECT_TRUE(plan.my_indices_at(0).empty());
}

}  // namespace
}  // namespace holdfast
