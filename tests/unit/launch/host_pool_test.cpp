#include "launch/hosts/host_pool.h"

#include <gmock/gmock.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HostPoolTest : public testing::Test {
 protected:
  HostPoolTest() { pool_.place_next(1000); }
  void all_join() {
    for (const auto& [rank, host] : {std::pair{0, "a"}, {1, "a"}, {2, "b"}, {3, "b"}}) pool_.joined(rank, host);
  }
  HostPool pool_{parse_hosts("a:2,b:2,c:2"), {4, 4}, 300};
};

TEST_F(HostPoolTest, AHostIsSuspectedWhenAllOfItsRanksAreGoneWithoutAWord) {
  all_join();
  EXPECT_EQ(pool_.gone(2), std::nullopt);
  EXPECT_EQ(pool_.gone(3), "b");
}

TEST_F(HostPoolTest, AHostWhoseRankHasSaidHowItEndedIsNotSuspected) {
  all_join();
  pool_.ended(2);
  EXPECT_EQ(pool_.gone(3), std::nullopt);
}

TEST_F(HostPoolTest, ARankThatHasNotCalledYetSpeaksForNoHost) {
  pool_.joined(0, "a");
  pool_.joined(2, "b");
  EXPECT_EQ(pool_.gone(2), "b");
  EXPECT_THAT(pool_.never_called(), IsEmpty());
}

TEST_F(HostPoolTest, KnowsHostsThatHaveNotCalledByTheNamesTheyGiveThemselves) {
  pool_.joined(0, "b.example.org");  // mpirun took another order
  EXPECT_THAT(pool_.never_called(), ElementsAre("a"));
  EXPECT_EQ(pool_.gone(0), "b");
}

TEST_F(HostPoolTest, ALostHostIsLeftOutUntilItsProbationIsOverOrItIsPardoned) {
  pool_.lose("b", 1000);
  EXPECT_EQ(to_string(*pool_.place_next(1001)), "a:2,c:2");
  EXPECT_THAT(pool_.lost(1001), ElementsAre("b"));
  pool_.lose("c", 1100);
  EXPECT_EQ(pool_.place_next(1200), std::nullopt);
  pool_.pardon("c");
  EXPECT_EQ(to_string(*pool_.place_next(1200)), "a:2,c:2");
  EXPECT_THAT(pool_.lost(1301), IsEmpty());
}

TEST_F(HostPoolTest, ANewAttemptKnowsNothingOfTheRanksOfTheLast) {
  all_join();
  pool_.gone(2);
  pool_.gone(3);
  pool_.place_next(1001);
  EXPECT_THAT(pool_.never_called(), ElementsAre("a", "b"));
}

TEST(HostPool, WithoutHostsKnowsNothing) {
  HostPool pool({}, {2, 2}, 300);
  EXPECT_TRUE(pool.is_empty());
  EXPECT_EQ(pool.gone(0), std::nullopt);
  pool.joined(0, "a");
  EXPECT_THAT(pool.never_called(), IsEmpty());
}

}  // namespace
}  // namespace holdfast
