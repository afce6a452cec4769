#include "launch/watch/attempt_times.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TimeRecord aged(double seconds) {
  TimeRecord record{.age_seconds = seconds, .open_cause = TimeCause::steps, .open_seconds = seconds};
  record.seconds[static_cast<std::size_t>(TimeCause::steps)] = seconds;
  return record;
}

TEST(AttemptTimes, TellWhenARankBeganAndHowLongItHasBeenGone) {
  AttemptTimes times;
  times.begin(100);
  times.heard(0, "a", aged(1), 102);      // began at 101
  times.heard(0, "a", aged(5), 106.5);    // this message took longer
  times.heard(1, "b", aged(4.5), 106.5);  // began at 102
  times.ended(0, 107);
  EXPECT_EQ(times.host_of(1), "b");
  const nlohmann::json all = times.take(110);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["launch_seconds"], 1);
  EXPECT_EQ(all[0]["after_seconds"], 3);
  EXPECT_EQ(all[0]["times"]["age_seconds"], 5);
  EXPECT_EQ(all[1]["host"], "b");
  EXPECT_EQ(all[1]["launch_seconds"], 2);
  EXPECT_EQ(all[1]["after_seconds"], 3.5) << "lost without a word: since it was heard last";
}

TEST(AttemptTimes, OfAnAttemptKnowNothingOfTheOneBefore) {
  AttemptTimes times;
  times.begin(100);
  times.heard(0, "a", aged(1), 102);
  times.begin(200);
  times.heard(1, "b", aged(150), 201);  // a clock that was set: no rank begins before its attempt
  const nlohmann::json all = times.take(202);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["rank"], 1);
  EXPECT_EQ(all[0]["launch_seconds"], 0);
  EXPECT_TRUE(times.take(203).empty());
  EXPECT_EQ(times.host_of(0), "");
}

}  // namespace
}  // namespace holdfast
