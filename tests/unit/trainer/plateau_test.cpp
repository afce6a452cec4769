#include "trainer/optimization/plateau.h"

#include <gmock/gmock.h>

#include <limits>

namespace holdfast {
namespace {

/// The factors after each validation.
std::vector<double> factors(const ScheduleOptions& options, const std::vector<double>& values, Plateau plateau = {}) {
  std::vector<double> factors;
  for (const double value : values) {
    take_in(plateau, options, value, "");
    factors.push_back(plateau.factor);
  }
  return factors;
}

ScheduleOptions options(ScheduleOptions changes = {}) {
  changes.type = ScheduleKind::plateau;
  return changes;
}

// The expected factors are those of torch.optim.lr_scheduler.ReduceLROnPlateau (PyTorch 2.11.0) on a learning rate of 1.
TEST(Plateau, FallsAsPyTorchsDoes) {
  EXPECT_THAT(factors(options({.factor = 0.5, .patience = 1}), {1, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8}),
              testing::ElementsAre(1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125));
}

TEST(Plateau, AnImprovementBelowTheThresholdIsNone) {
  const std::vector<double> values = {1, 0.95, 0.91, 0.89, 0.5};
  EXPECT_THAT(factors(options({.factor = 0.5, .patience = 0, .threshold = 0.1}), values), testing::ElementsAre(1, 0.5, 0.25, 0.25, 0.25));
  EXPECT_THAT(factors(options({.factor = 0.5, .patience = 0, .threshold = 0.4, .is_relative = false}), values),
              testing::ElementsAre(1, 0.5, 0.25, 0.125, 0.125));
}

TEST(Plateau, LargerIsBetterWhereThatIsSaid) {
  EXPECT_THAT(factors(options({.mode = Mode::max, .factor = 0.5, .patience = 0}), {0.1, 0.2, 0.2, 0.1, 0.3}),
              testing::ElementsAre(1, 1, 0.5, 0.25, 0.25));
}

TEST(Plateau, CoolsDownAfterAFall) {
  EXPECT_THAT(factors(options({.factor = 0.5, .patience = 0, .cooldown = 2}), {1, 1, 1, 1, 1, 1, 1, 1}),
              testing::ElementsAre(1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125));
}

TEST(Plateau, FallsNoLowerThanItMay) {
  EXPECT_THAT(factors(options({.factor = 0.1, .patience = 0, .min_factor = 0.05}), {1, 1, 1, 1}), testing::ElementsAre(1, 0.1, 0.05, 0.05));
}

TEST(Plateau, WhatIsNoNumberIsNoImprovement) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(factors(options({.factor = 0.5, .patience = 0}), {none, 1, none, 0.5}), testing::ElementsAre(0.5, 0.5, 0.25, 0.25));
}

TEST(Plateau, ComesBackAsItWas) {
  Plateau plateau;
  const ScheduleOptions its = options({.factor = 0.5, .patience = 1, .cooldown = 1});
  for (const double value : {1.0, 2.0, 2.0, 2.0}) take_in(plateau, its, value, "");
  const auto back = plateaus_from_json(to_json({{"decay", plateau}})).at("decay");
  const std::vector<double> values = {2, 2, 2, 0.5, 2, 2, 2, 2};
  EXPECT_EQ(factors(its, values, back), factors(its, values, plateau));
  EXPECT_EQ(to_json({{"decay", back}}), to_json({{"decay", plateau}}));
}

TEST(Plateau, AnotherMetricBeginsAnewWithTheSameFactor) {
  Plateau plateau;
  for (const double value : {1.0, 2.0, 2.0}) take_in(plateau, options({.factor = 0.5, .patience = 0}), value, "");
  EXPECT_EQ(plateau.factor, 0.25);
  take_in(plateau, options({.monitor = "val_accuracy", .mode = Mode::max, .factor = 0.5, .patience = 0}), 0.1, "");
  EXPECT_EQ(plateau.factor, 0.25);
  EXPECT_EQ(plateau.best, 0.1);
}

TEST(Plateau, OtherWeightsBeginAnewToo) {
  Plateau plateau;
  const ScheduleOptions its = options({.factor = 0.5, .patience = 0});
  take_in(plateau, its, 1, "");
  take_in(plateau, its, 2, "ema");
  EXPECT_EQ(plateau.factor, 1);
  EXPECT_EQ(plateau.best, 2);
}

TEST(Plateau, AnInfiniteValueIsNeverTheBest) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const bool is_relative : {true, false})
    EXPECT_THAT(factors(options({.factor = 0.5, .patience = 1, .is_relative = is_relative}), {infinity, 5, 4, 3, 2, 1}), testing::Each(1));
  EXPECT_THAT(factors(options({.mode = Mode::max, .factor = 0.5, .patience = 1}), {-infinity, 1, 2, 3}), testing::Each(1));
}

TEST(Plateau, AMinimumAboveWhereItIsDoesNotRaiseIt) {
  EXPECT_THAT(factors(options({.factor = 0.5, .patience = 0, .min_factor = 0.5}), {1, 1, 1}, {.factor = 0.1}), testing::Each(0.1));
}

TEST(Plateau, WhatNoneCanHaveStoredIsRefused) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{
           {"factor", 0}, {"factor", 1.5}, {"factor", "nan"}, {"waited", -1}, {"cooldown", -1}}) {
    nlohmann::json stored = to_json({{"decay", Plateau{}}});
    stored["decay"][key] = value;
    EXPECT_THROW(plateaus_from_json(stored), std::invalid_argument) << key;
  }
}

}  // namespace
}  // namespace holdfast
