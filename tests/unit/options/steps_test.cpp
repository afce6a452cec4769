#include "options/steps.h"

#include <gmock/gmock.h>

#include <limits>

#include "tests/unit/options/messages.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

TEST(Epoch, CountsTheShortBatchAndTheShortGroup) {
  const EpochShape shape = epoch_shape(1001, 100, false, 4);
  EXPECT_EQ(shape.samples, 1001);
  EXPECT_EQ(shape.batches, 11);
  EXPECT_EQ(shape.updates, 3);
}

TEST(Epoch, LeavesTheShortBatchOutWhenTold) {
  const EpochShape shape = epoch_shape(1001, 100, true, 4);
  EXPECT_EQ(shape.samples, 1000);
  EXPECT_EQ(shape.batches, 10);
  EXPECT_EQ(shape.updates, 3);
}

TEST(Epoch, HasNothingShortWhenAllDivides) {
  for (const bool drop_last : {false, true}) {
    const EpochShape shape = epoch_shape(60000, 128 * 5, drop_last, 2);
    EXPECT_EQ(shape.batches, drop_last ? 93 : 94);
    EXPECT_EQ(shape.updates, 47);
  }
  EXPECT_EQ(epoch_shape(600, 100, true, 3).samples, 600);
  EXPECT_EQ(epoch_shape(600, 100, false, 3).updates, 2);
}

TEST(Epoch, OfFewerSamplesThanABatchIsOneUpdateOrNone) {
  EXPECT_EQ(epoch_shape(5, 100, false, 8).updates, 1);
  EXPECT_THAT(config_error_of([] { epoch_shape(5, 100, true, 8); }),
              HasSubstr("expected at least one batch in an epoch, found 5 samples for batches of 100 (drop_last: true)"));
  EXPECT_THAT(config_error_of([] { epoch_shape(0, 100, false, 1); }), HasSubstr("found 0 samples"));
}

TEST(Epoch, HoldsHugeDataSets) {
  constexpr std::int64_t kMost = 9'223'372'036'854'775'807;
  const EpochShape shape = epoch_shape(kMost, 2, false, 3);
  EXPECT_EQ(shape.batches, 4'611'686'018'427'387'904);
  EXPECT_EQ(shape.updates, 1'537'228'672'809'129'302);
}

std::int64_t last(std::optional<std::int64_t> steps, std::optional<double> epochs, std::int64_t updates) {
  TrainerOptions options;
  options.max_steps = steps;
  options.max_epochs = epochs;
  return last_step(options, {.samples = 0, .batches = 0, .updates = updates});
}

TEST(LastStep, IsTheSmallerOfTheTwoEnds) {
  EXPECT_EQ(last(100, std::nullopt, 7), 100);
  EXPECT_EQ(last(std::nullopt, 3, 7), 21);
  EXPECT_EQ(last(100, 3, 7), 21);
  EXPECT_EQ(last(20, 3, 7), 20);
}

TEST(LastStep, RoundsAPartOfAnEpochUp) {
  EXPECT_EQ(last(std::nullopt, 0.5, 7), 4);
  EXPECT_EQ(last(std::nullopt, 1.01, 100), 101);
  EXPECT_EQ(last(std::nullopt, 1.001, 100), 101);
  EXPECT_EQ(last(std::nullopt, 1e-12, 100), 1);
}

TEST(LastStep, IsNotOneMoreForBinaryRounding) {
  EXPECT_EQ(last(std::nullopt, 1.1, 10), 11);  // 1.1 * 10 is 11.000000000000002
  EXPECT_EQ(last(std::nullopt, 0.07, 100), 7);
  EXPECT_EQ(last(std::nullopt, 2.3, 1000), 2300);
}

TEST(LastStep, DoesNotOverflow) { EXPECT_EQ(last(std::nullopt, 1e300, 1000), 9'223'372'036'854'775'807); }

TEST(Crossing, IsEveryMultipleAfterBeforeUpToAfter) {
  EXPECT_TRUE(crosses_multiple(9, 10, 10));
  EXPECT_FALSE(crosses_multiple(10, 11, 10));
  EXPECT_FALSE(crosses_multiple(10, 10, 10));
  EXPECT_FALSE(crosses_multiple(0, 0, 10));
  EXPECT_FALSE(crosses_multiple(0, 9, 10));
}

TEST(Crossing, LosesNothingWhenTheCounterJumps) {
  EXPECT_TRUE(crosses_multiple(8, 12, 10));
  EXPECT_TRUE(crosses_multiple(8, 30, 10));
  EXPECT_TRUE(crosses_multiple(0, 25, 10));
}

StepEvent after(std::int64_t step, std::int64_t updates_of_epoch, bool is_last = false) {
  return {.step_before = step - 1,
          .step_after = step,
          .epochs_before = (step - 1) / updates_of_epoch,
          .epochs_after = step / updates_of_epoch,
          .is_last = is_last};
}

std::vector<std::int64_t> due_steps(const ValidationOptions& options, std::int64_t end, std::int64_t updates_of_epoch) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 1; step <= end; ++step)
    if (is_due(options, after(step, updates_of_epoch, step == end))) steps.push_back(step);
  return steps;
}

TEST(Trigger, FiresOnStepsEpochsAndTheEnd) {
  ValidationOptions options;
  options.at_end = false;
  EXPECT_EQ(due_steps(options, 20, 5), (std::vector<std::int64_t>{}));
  options.every_steps = 7;
  EXPECT_EQ(due_steps(options, 20, 5), (std::vector<std::int64_t>{7, 14}));
  options.every_epochs = 2;
  EXPECT_EQ(due_steps(options, 20, 5), (std::vector<std::int64_t>{7, 10, 14, 20}));
  options = {};
  EXPECT_EQ(due_steps(options, 20, 5), (std::vector<std::int64_t>{20}));
  options = {.every_steps = 0, .every_epochs = 0};
  EXPECT_EQ(due_steps(options, 20, 5), (std::vector<std::int64_t>{20}));
}

TEST(Trigger, FiresOnCrossingOnceForAJumpOverSeveralMultiples) {
  EXPECT_TRUE(is_crossed(std::optional<double>(3), 2, 11));
  EXPECT_FALSE(is_crossed(std::optional<double>(3), 9, 11));
  EXPECT_FALSE(is_crossed(std::optional<double>(), 0, 11));
  EXPECT_TRUE(is_crossed(std::optional<std::int64_t>(1), 0, 1));
}

std::vector<double> resolved(std::vector<double> fractions, std::int64_t last_step) {
  ValidationOptions validation;
  std::vector<double> steps;
  for (const double fraction : fractions) {
    std::vector<CheckpointOptions> entries = {{.every_steps = fraction}};
    resolve_fractions(validation, entries, last_step);
    steps.push_back(*entries[0].every_steps);
  }
  return steps;
}

TEST(Fractions, AreRoundedUpToUpdates) {
  EXPECT_EQ(resolved({0.1, 0.3, 0.5}, 2030), (std::vector<double>{203, 609, 1015}));
  EXPECT_EQ(resolved({0.3}, 13), std::vector<double>{4});
  EXPECT_EQ(resolved({0.07}, 100), std::vector<double>{7}) << "though 0.07 * 100 is a little more than 7 in binary";
  EXPECT_EQ(resolved({1e-9, 0, 1, 500}, 30), (std::vector<double>{1, 0, 1, 500}));
}

std::string measured(const ValidationOptions& validation, CheckpointOptions entry, std::int64_t updates_per_epoch = 10) {
  entry.monitor = "val_loss";
  entry.limit = 3;
  return config_error_of([&] { require_measured_saves(validation, {entry}, updates_per_epoch); });
}

TEST(MeasuredSaves, MustBeOnTheGridOfTheValidations) {
  EXPECT_EQ(measured({.every_steps = 5}, {.every_steps = 10}), "(no ConfigError)");
  EXPECT_EQ(measured({.every_steps = 5}, {.every_epochs = 1}), "(no ConfigError)");
  EXPECT_EQ(measured({.every_epochs = 1}, {.every_steps = 20}), "(no ConfigError)");
  EXPECT_EQ(measured({.every_steps = 5}, {.after_validation = true}), "(no ConfigError)");
  EXPECT_THAT(measured({.every_steps = 5}, {.every_steps = 7}),
              HasSubstr("expected a validation at each save, found saves every 7 updates, validations every 5 updates"));
  EXPECT_THAT(measured({.every_steps = 4}, {.every_epochs = 1}), HasSubstr("found saves every 1 epochs, validations every 4 updates"));
  EXPECT_THAT(measured({}, {.every_steps = 7}), HasSubstr("validations every 0 updates: never"));
}

TEST(LastSample, IsWhereTheEpochsEnd) {
  const auto at = [](double epochs, EpochShape epoch, std::int64_t batch) {
    return last_sample({.max_steps = 5, .max_epochs = epochs}, epoch, batch);
  };
  const EpochShape epoch{.samples = 100, .batches = 13, .updates = 13};  // of 8 samples, the last of 4
  EXPECT_EQ(at(1, epoch, 8), 100);
  EXPECT_EQ(at(3, epoch, 8), 300);
  EXPECT_EQ(at(1.5, epoch, 8), 100 + 7 * 8) << "half of 13 batches are 7";
  EXPECT_EQ(at(0.99, epoch, 8), 100) << "the last batch is short";
  EXPECT_EQ(at(2.5, {.samples = 96, .batches = 12, .updates = 12}, 8), 240);
  EXPECT_EQ(at(1e18, epoch, 8), std::numeric_limits<std::int64_t>::max()) << "nowhere";
  EXPECT_EQ(last_sample({.max_steps = 5}, epoch, 8), std::numeric_limits<std::int64_t>::max());
}

}  // namespace
}  // namespace holdfast
