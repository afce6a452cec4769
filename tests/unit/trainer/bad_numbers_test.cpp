#include "trainer/bad_numbers/bad_numbers.h"

#include <gmock/gmock.h>

#include <limits>

namespace holdfast {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Vote loss_of(double mean) { return {.loss_sum = 4 * mean, .count = 4}; }

TrainerOptions looking_for_spikes(double factor, std::int64_t window) {
  TrainerOptions options;
  options.loss_spike = {.factor = factor, .window = window, .action = BadNumbers::rollback};
  return options;
}

TEST(BadNumbers, AreNoneInAnOrdinaryUpdate) { EXPECT_FALSE(judge(loss_of(2), {}, {})); }

TEST(BadNumbers, NameTheRankWhoseOwnAreNotFinite) {
  TrainerOptions options;
  options.on_nonfinite = BadNumbers::skip;
  Vote facts = loss_of(2);
  facts.nonfinite_rank = 3;
  const auto bad = judge(facts, options, {});
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->action, BadNumbers::skip);
  EXPECT_EQ(bad->rank, 3);
  EXPECT_THAT(bad->what, HasSubstr("on rank 3"));
}

TEST(BadNumbers, AreFoundWhereOnlyTheSumIsNotFinite) {
  Vote gradient = loss_of(2);
  gradient.is_nonfinite = 1;
  for (const Vote& facts : {gradient, loss_of(kNaN), loss_of(std::numeric_limits<double>::infinity())}) {
    const auto bad = judge(facts, {}, {});
    ASSERT_TRUE(bad);
    EXPECT_EQ(bad->rank, -1);
    EXPECT_EQ(bad->action, BadNumbers::stop) << "the default";
  }
}

TEST(LossLevel, IsNotMovedByOneLossHoweverLarge) {
  const std::vector<double> quiet = {1, 2, 3, 4, 5}, disturbed = {1, 2, 3, 4, 1e9};
  EXPECT_EQ(level_of(quiet).median, 3);
  EXPECT_EQ(level_of(disturbed).median, 3);
  EXPECT_THAT(level_of(quiet).deviation, DoubleNear(1.4826, 1e-12));
  EXPECT_THAT(level_of(disturbed).deviation, DoubleNear(1.4826, 1e-12));
  EXPECT_EQ(level_of(std::vector<double>{1, 2, 3, 10}).median, 2.5);
}

TEST(LossLevel, OfEqualLossesHasADeviationAllTheSame) { EXPECT_DOUBLE_EQ(level_of(std::vector<double>{-2, -2, -2}).deviation, 0.02); }

TEST(LossSpike, IsALossSoManyDeviationsAboveTheMedian) {
  const std::vector<double> recent = {1, 2, 3, 4, 5};  // median 3, deviation 1.4826
  const TrainerOptions options = looking_for_spikes(10, 5);
  EXPECT_FALSE(judge(loss_of(3 + 10 * 1.48), options, recent));
  const auto bad = judge(loss_of(3 + 10 * 1.49), options, recent);
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->action, BadNumbers::rollback);
  EXPECT_FALSE(judge(loss_of(-1e9), options, recent)) << "a loss that falls is no spike";
}

TEST(LossSpike, IsNoneBeforeTheWindowIsFull) { EXPECT_FALSE(judge(loss_of(1e9), looking_for_spikes(10, 5), {1, 2, 3, 4})); }

TEST(LossSpike, IsNoneWithoutSamples) { EXPECT_FALSE(judge({}, looking_for_spikes(10, 2), {1, 2})); }

TEST(RecentLosses, AreThoseOfTheWindow) {
  const LossSpikeOptions options{.factor = 5, .window = 3};
  std::vector<double> recent;
  for (const double loss : {1, 2, 3, 4, 5}) remember_loss(recent, loss_of(loss), options);
  EXPECT_EQ(recent, (std::vector<double>{3, 4, 5}));
  remember_loss(recent, {}, options);
  EXPECT_EQ(recent.size(), 3u) << "an update without samples has no loss";
  remember_loss(recent, loss_of(6), {.factor = 5, .window = 2});
  EXPECT_EQ(recent, (std::vector<double>{5, 6}));
  remember_loss(recent, loss_of(7), {});
  EXPECT_TRUE(recent.empty()) << "nobody looks at them";
}

}  // namespace
}  // namespace holdfast
