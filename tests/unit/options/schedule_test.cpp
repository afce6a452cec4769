#include <gtest/gtest.h>

#include <cmath>

#include "options/schedule.h"

namespace holdfast {
namespace {

ScheduleOptions schedule(ScheduleKind type, std::int64_t warmup = 0, double final_factor = 0) {
  return {.type = type, .warmup_steps = warmup, .final_factor = final_factor};
}

TEST(Schedule, ConstantStaysAtOne) {
  const ScheduleOptions options = schedule(ScheduleKind::constant);
  for (const std::int64_t step : {0, 1, 50, 100, 1000}) EXPECT_EQ(schedule_factor(options, step, 100), 1.0);
}

TEST(Schedule, WarmsUpFromOnePartToTheWhole) {
  for (const ScheduleKind type : {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::cosine}) {
    const ScheduleOptions options = schedule(type, 10);
    EXPECT_DOUBLE_EQ(schedule_factor(options, 0, 100), 0.1);
    EXPECT_DOUBLE_EQ(schedule_factor(options, 4, 100), 0.5);
    EXPECT_EQ(schedule_factor(options, 9, 100), 1.0);
    EXPECT_EQ(schedule_factor(options, 10, 100), 1.0);
  }
}

TEST(Schedule, LinearFallsToItsFinalFactorAndStaysThere) {
  const ScheduleOptions options = schedule(ScheduleKind::linear, 10, 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 55, 100), 0.55);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 99, 100), 0.1 + 0.9 / 90);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 100, 100), 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 1'000'000, 100), 0.1);
}

TEST(Schedule, CosineFallsAlongHalfACosine) {
  const ScheduleOptions options = schedule(ScheduleKind::cosine);
  EXPECT_EQ(schedule_factor(options, 0, 100), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 25, 100), (1 + std::sqrt(0.5)) / 2);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 50, 100), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 75, 100), (1 - std::sqrt(0.5)) / 2);
  EXPECT_EQ(schedule_factor(options, 100, 100), 0.0);
  EXPECT_EQ(schedule_factor(options, 101, 100), 0.0);
}

TEST(Schedule, CosineEndsAtItsFinalFactor) {
  const ScheduleOptions options = schedule(ScheduleKind::cosine, 20, 0.2);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 60, 100), 0.6);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 100, 100), 0.2);
}

TEST(Schedule, NeverLeavesItsBoundsNorRisesAfterTheWarmUp) {
  for (const ScheduleKind type : {ScheduleKind::linear, ScheduleKind::cosine}) {
    const ScheduleOptions options = schedule(type, 7, 0.05);
    double before = 1;
    for (std::int64_t step = 7; step < 120; ++step) {
      const double factor = schedule_factor(options, step, 103);
      EXPECT_LE(factor, before);
      EXPECT_GE(factor, 0.05);
      before = factor;
    }
  }
}

TEST(Schedule, FinishesItsWarmUpEvenWhenTheEndComesFirst) {
  const ScheduleOptions options = schedule(ScheduleKind::linear, 10, 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 6, 5), 0.7);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 10, 10), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 12, 5), 0.5);
}

TEST(Schedule, ItsOwnEndComesBeforeThatOfTheRun) {
  const ScheduleOptions options{.type = ScheduleKind::linear, .total_steps = 50};
  EXPECT_DOUBLE_EQ(schedule_factor(options, 25, 100), 0.5);
  EXPECT_EQ(schedule_factor(options, 50, 100), 0);
}

TEST(Schedule, ASequenceGivesEachPartItsOwnUpdates) {
  const std::map<std::string, ScheduleOptions> schedules = {
      {"up", {.type = ScheduleKind::constant, .warmup_steps = 10}},
      {"down", {.type = ScheduleKind::linear, .final_factor = 0.5}},
      {"last", {.type = ScheduleKind::cosine}},
      {"all", {.type = ScheduleKind::sequence, .parts = {"up", "down", "last"}, .milestones = {20, 40}}}};
  const auto factor = [&](std::int64_t completed) { return schedule_factor(schedules, "all", completed, 100); };
  EXPECT_DOUBLE_EQ(factor(0), 0.1);
  EXPECT_EQ(factor(19), 1);
  EXPECT_EQ(factor(20), 1) << "the first update of the second part";
  EXPECT_DOUBLE_EQ(factor(30), 0.75) << "it falls until the third begins";
  EXPECT_EQ(factor(40), 1);
  EXPECT_DOUBLE_EQ(factor(70), 0.5) << "and the last one until the run ends";
  EXPECT_EQ(factor(100), 0);
  EXPECT_EQ(schedule_factor(schedules, "up", 0, 100), 0.1);
}

TEST(Schedule, APlateauHasNoFactorOfItsOwnButTheWarmUp) {
  const ScheduleOptions options = schedule(ScheduleKind::plateau, 4);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 1, 10), 0.5);
  EXPECT_EQ(schedule_factor(options, 9, 10), 1);
  EXPECT_EQ(schedule_factor(options, 1000, 10), 1);
}

}  // namespace
}  // namespace holdfast
