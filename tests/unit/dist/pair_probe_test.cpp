// Who meets whom, and when.
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "dist/pair_probe.h"

namespace holdfast {
namespace {

TEST(Meetings, EverybodyMeetsEverybodyOnceAndNobodyIsInTwoAtATime) {
  for (int size = 1; size <= 33; ++size) {
    std::set<std::pair<int, int>> met;
    for (int round = 0; round < meeting_rounds(size); ++round)
      for (int rank = 0; rank < size; ++rank) {
        const int partner = partner_in(round, rank, size);
        if (partner < 0) continue;
        ASSERT_LT(partner, size);
        ASSERT_NE(partner, rank);
        ASSERT_EQ(partner_in(round, partner, size), rank) << "of " << size << " in round " << round;
        if (rank < partner) {
          EXPECT_TRUE(met.emplace(rank, partner).second);
        }
      }
    EXPECT_EQ(met.size(), static_cast<std::size_t>(size) * static_cast<std::size_t>(size - 1) / 2) << size;
  }
}

}  // namespace
}  // namespace holdfast
