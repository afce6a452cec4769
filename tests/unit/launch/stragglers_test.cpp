#include "launch/watch/stragglers.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace holdfast {
namespace {

/// Ranks that compute and then wait for the slowest, and shims that say where they are every 0.2 s.
class Ranks {
 public:
  Ranks(int count, std::optional<double> factor = 1.4)
      : stragglers_(factor), busy_(static_cast<std::size_t>(count)), slower_(busy_.size(), 1.0) {
    stragglers_.begin(count);
  }
  void be_slow(std::size_t rank, double factor) { slower_[rank] = factor; }
  /// `noise`: of each step of each rank alone, as a factor of the median step.
  template <class Noise>
  std::vector<StragglerFinding> take_steps(int count, double seconds, Noise noise) {
    std::vector<StragglerFinding> found;
    for (int i = 0; i < count; ++i) {
      double slowest = 0;
      for (std::size_t rank = 0; rank < busy_.size(); ++rank) {
        const double mine = seconds * slower_[rank] * noise();
        busy_[rank] += mine;
        slowest = std::max(slowest, mine);
      }
      ++step_;
      now_ += slowest + 0.1 * seconds;
      if (now_ < tell_at_) continue;
      tell_at_ = now_ + 0.2;
      for (std::size_t rank = 0; rank < busy_.size(); ++rank)
        for (StragglerFinding& finding : stragglers_.on(static_cast<int>(rank), step_, busy_[rank], now_)) found.push_back(finding);
    }
    return found;
  }
  std::int64_t step() const { return step_; }

 private:
  Stragglers stragglers_;
  std::vector<double> busy_, slower_;
  std::int64_t step_ = 0;
  double now_ = 0, tell_at_ = 0;
};

/// Scattered by 15%, and now and then an interruption: every 500th step of a rank takes five times as long, every 2000th twenty times.
class Noise {
 public:
  explicit Noise(unsigned seed) : random_(seed) {}
  double operator()() {
    const double jitter = std::exp(0.15 * normal_(random_)), pause = uniform_(random_);
    return jitter * (pause < 0.0005 ? 20 : pause < 0.0025 ? 5 : 1);
  }

 private:
  std::mt19937 random_;
  std::normal_distribution<double> normal_;
  std::uniform_real_distribution<double> uniform_;
};

double quiet() { return 1.0; }

struct Case {
  int ranks;
  double step_seconds;
};
class StragglersOf : public testing::TestWithParam<Case> {};

TEST_P(StragglersOf, TenThousandNoisyStepsNameNobody) {
  const auto [count, seconds] = GetParam();
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Ranks ranks(count);
    Noise noise(seed);
    for (const StragglerFinding& finding : ranks.take_steps(10'000, seconds, noise))
      ADD_FAILURE() << "seed " << seed << ": " << describe(finding, "a");
  }
}

TEST_P(StragglersOf, ARankThatIsOneAndAHalfTimesAsSlowIsNamedOnceWithinTwentySteps) {
  const auto [count, seconds] = GetParam();
  std::mt19937 random(7);
  std::uniform_real_distribution<double> scatter(0.95, 1.05);
  const auto noise = [&] { return scatter(random); };
  Ranks ranks(count);
  EXPECT_TRUE(ranks.take_steps(5000, seconds, noise).empty());
  ranks.be_slow(1, 1.5);
  const int within = std::max(20, static_cast<int>(2 / seconds));
  const std::vector<StragglerFinding> found = ranks.take_steps(within, seconds, noise);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rank, 1);
  EXPECT_FALSE(found[0].is_over);
  EXPECT_THAT(found[0].factor, testing::AllOf(testing::Ge(1.4), testing::Le(1.6)));
  EXPECT_TRUE(ranks.take_steps(5000, seconds, noise).empty()) << "once";
  ranks.be_slow(1, 1);
  const std::vector<StragglerFinding> over = ranks.take_steps(10 * within, seconds, noise);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_TRUE(over[0].is_over);
}

INSTANTIATE_TEST_SUITE_P(Stragglers, StragglersOf,
                         testing::Values(Case{2, 0.001}, Case{2, 0.1}, Case{2, 2}, Case{4, 0.1}, Case{8, 0.5}, Case{64, 0.1}));

TEST(Stragglers, ALongPauseOfOneRankNamesNobody) {
  Ranks ranks(4);
  int step = 0;
  EXPECT_TRUE(ranks.take_steps(1000, 0.1, [&] { return ++step % 400 == 0 ? 30.0 : 1.0; }).empty());
}

TEST(Stragglers, ASlowRankThatHoldsUpNobodyIsNotNamed) {
  Stragglers stragglers(1.4);
  stragglers.begin(2);
  for (int step = 1; step < 1000; ++step)  // a step of 0.1 s, almost all of it in collectives
    for (const int rank : {0, 1}) EXPECT_TRUE(stragglers.on(rank, step, step * (rank == 0 ? 0.002 : 0.004), 0.1 * step).empty());
}

TEST(Stragglers, AreNotLookedForWithoutAFactorNorAmongOneRank) {
  Ranks off(4, std::nullopt), alone(1);
  off.be_slow(1, 3), alone.be_slow(0, 3);
  EXPECT_TRUE(off.take_steps(1000, 0.1, quiet).empty());
  EXPECT_TRUE(alone.take_steps(1000, 0.1, quiet).empty());
}

TEST(Stragglers, ARankThatComesAndGoesIsNamedOnceAMinute) {
  Ranks ranks(4);
  ranks.take_steps(100, 0.1, quiet);
  std::size_t namings = 0;
  for (int i = 0; i < 20; ++i) {  // ten times 6 s of it and 7 s without
    ranks.be_slow(2, i % 2 == 0 ? 2 : 1);
    for (const StragglerFinding& finding : ranks.take_steps(i % 2 == 0 ? 30 : 60, 0.1, quiet)) namings += finding.is_over ? 0 : 1;
  }
  EXPECT_THAT(namings, testing::AllOf(testing::Ge(1u), testing::Le(3u)));
}

TEST(Stragglers, TellWhoByHowMuchAndSince) {
  EXPECT_EQ(describe({.rank = 3, .factor = 1.52, .seconds_per_step = 0.152, .median_seconds_per_step = 0.1, .step = 40}, "b"),
            "rank 3 on b is slow: 1.52 times the median of the others (0.152 s of its own a step against 0.1 s), step 40");
}

}  // namespace
}  // namespace holdfast
