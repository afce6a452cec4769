#include "base/same_texts.h"

#include <gtest/gtest.h>

#include <numeric>

namespace holdfast {
namespace {

TEST(SameTexts, AreToldOnceWithTheNumbersOfThoseWhoSayThem) {
  SameTexts texts;
  add_text(texts, "full disk", 0);
  add_text(texts, "no memory", 1);
  add_text(texts, "full disk", 2);
  EXPECT_EQ(texts, (SameTexts{{"full disk", {0, 2}}, {"no memory", {1}}}));
}

TEST(Numbered, TellsAFewOneByOne) {
  EXPECT_EQ(numbered("rank", {1}), "rank 1");
  EXPECT_EQ(numbered("rank", {0, 2}), "ranks 0, 2");
  EXPECT_EQ(numbered("rank", {0, 1, 2, 3, 4, 5, 6, 7}), "ranks 0, 1, 2, 3, 4, 5, 6, 7");
}

TEST(Numbered, TellsThousandsAsRuns) {
  std::vector<int> ranks(10000);
  std::iota(ranks.begin(), ranks.end(), 0);
  EXPECT_EQ(numbered("rank", ranks), "ranks 0 to 9999");
  std::erase_if(ranks, [](int rank) { return rank == 1 || rank == 4 || rank == 9998; });
  EXPECT_EQ(numbered("rank", ranks), "ranks 0, 2, 3, 5 to 9997, 9999") << "two are no run";
}

}  // namespace
}  // namespace holdfast
