#include "launch/word_seconds.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(WordSeconds, AreAFifthOfASecondUpToFourThousandRanksAndNeverMoreThanHalfOfOne) {
  for (const int ranks : {1, 2, 4000}) EXPECT_EQ(word_seconds(ranks), 0.2) << ranks;
  EXPECT_EQ(word_seconds(8000), 0.4);
  for (const int ranks : {10000, 1000000}) EXPECT_EQ(word_seconds(ranks), 0.5) << ranks;
}

TEST(WordSeconds, MakeNoMoreThanTwentyThousandWordsASecondUpToTenThousandRanks) {
  for (int ranks = 1; ranks <= 10000; ++ranks) ASSERT_LE(ranks / word_seconds(ranks), 20000 + 1e-6) << ranks;
}

}  // namespace
}  // namespace holdfast
