#include "launch/lease/word_seconds.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(WordSeconds, AreAFifthOfASecondUpToFourThousandRanksAndNeverMoreThanHalfOfOne) {
  for (const int ranks : {1, 2, 4000}) EXPECT_EQ(word_seconds(ranks), 0.2) << ranks;
  EXPECT_EQ(word_seconds(8000), 0.4);
  for (const int ranks : {10000, 1000000}) EXPECT_EQ(word_seconds(ranks), 0.5) << ranks;
}

TEST(WordSeconds, AreNotRoundedUpToTicks) {
  EXPECT_EQ(milliseconds_until(10.25, 10, 200), 200);
  EXPECT_EQ(milliseconds_until(10.5, 10.375, 200), 125);
  EXPECT_EQ(milliseconds_until(10.25, 10.2499, 200), 1) << "not too early";
  EXPECT_EQ(milliseconds_until(0.2, 1e9, 200), 0) << "the first is due at once";
}

TEST(WordSeconds, MakeNoMoreThanTwentyThousandWordsASecondUpToTenThousandRanks) {
  for (int ranks = 1; ranks <= 10000; ++ranks) ASSERT_LE(ranks / word_seconds(ranks), 20000 + 1e-6) << ranks;
}

}  // namespace
}  // namespace holdfast
