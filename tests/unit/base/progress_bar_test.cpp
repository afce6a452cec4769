#include "base/progress_bar.h"

#include <gmock/gmock.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const ProgressFacts kHalf{.step = 300, .last_step = 600, .steps_per_second = 2, .samples_per_second = 256, .loss = 0.5};

TEST(ProgressBar, ShowsStepRatesLossAndTimeLeft) {
  EXPECT_EQ(progress_bar(kHalf, ", 1 restart", 200),
            "[##############..............] 300/600  2.0 steps/s  256 samples/s  loss 0.5000  2:30 left, 1 restart");
}

TEST(ProgressBar, NeverFillsTheLine) {
  for (int columns = 0; columns < 150; ++columns)
    EXPECT_LE(progress_bar(kHalf, "  attempt 12, 11 restarts", columns).size(), static_cast<std::size_t>(std::max(columns - 1, 0)))
        << columns;
  EXPECT_THAT(progress_bar(kHalf, "", 80), StartsWith("[######"));
  EXPECT_THAT(progress_bar(kHalf, "", 40), StartsWith("300/600  2.0 steps/s"));
}

TEST(ProgressBar, StaysInsideItsFrameBeyondTheEndAndBeforeItIsKnown) {
  EXPECT_THAT(progress_bar({.step = 700, .last_step = 600}, "", 200), StartsWith("[############################] 700/600"));
  EXPECT_THAT(progress_bar({.step = 7}, "", 200), HasSubstr("] 7/0 "));
}

}  // namespace
}  // namespace holdfast
