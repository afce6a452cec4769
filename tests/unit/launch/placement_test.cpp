#include "launch/hosts/placement.h"

#include <gmock/gmock.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::Optional;

constexpr double kNow = 1000;

/// "a:2,b:2" of which some are on probation.
std::vector<KnownHost> known(const std::string& text, const std::vector<std::pair<std::string, double>>& lost = {}) {
  std::vector<KnownHost> hosts;
  for (const Host& host : parse_hosts(text)) {
    hosts.push_back({host});
    for (const auto& [name, until] : lost)
      if (name == host.name) hosts.back().probation_until = until;
  }
  return hosts;
}

std::string placed(const std::vector<KnownHost>& hosts, int ranks, const std::string& previous = "", int min_ranks = 0) {
  const auto placement =
      place(hosts, previous.empty() ? Placement{} : parse_hosts(previous), {ranks, min_ranks == 0 ? ranks : min_ranks}, kNow);
  return placement ? to_string(*placement) : "none";
}

TEST(Placement, FillsHostsInOrderAndKeepsTheRestAsSpares) {
  EXPECT_EQ(placed(known("a:2,b:2,c:2"), 6), "a:2,b:2,c:2");
  EXPECT_EQ(placed(known("a:2,b:2,c:2"), 4), "a:2,b:2");
  EXPECT_EQ(placed(known("a:2,b:2,c:2"), 3), "a:2,b:1");
  EXPECT_EQ(placed(known("a:2,b:2"), 5), "none");
}

TEST(Placement, ASpareTakesThePlaceOfTheLostHostAndTheOthersKeepTheirs) {
  EXPECT_EQ(placed(known("a:2,b:2,c:2,d:2", {{"b", 1300}}), 6, "a:2,b:2,c:2"), "a:2,d:2,c:2");
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"a", 1300}}), 4, "a:2,b:2"), "c:2,b:2");
}

TEST(Placement, ASpareThatIsTooSmallForThePlaceIsFilledLast) {
  EXPECT_EQ(placed(known("a:2,b:2,c:1,d:1", {{"a", 1300}}), 4, "a:2,b:2"), "b:2,c:1,d:1");
}

TEST(Placement, WithoutASpareTheRunGoesOnWithFewerRanksButNotWithLessThanTheMinimum) {
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 1300}}), 6, "a:2,b:2,c:2", 4), "a:2,c:2");
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 1300}}), 6, "a:2,b:2,c:2", 5), "none");
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 1300}}), 6, "a:2,b:2,c:2"), "none");
  EXPECT_EQ(placed(known("a:2", {{"a", 1300}}), 1, "a:1"), "none");
}

TEST(Placement, AHostIsASpareAfterItsProbationAndTakesNoPlaceBack) {
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 1300}}), 4, "a:2,c:2"), "a:2,c:2");
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 999}}), 4, "a:2,c:2"), "a:2,c:2");
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 999}, {"c", 1300}}), 4, "a:2,c:2"), "a:2,b:2");
}

TEST(Placement, ARunThatHadShrunkTakesAllRanksAgainWhenThereAreHosts) {
  EXPECT_EQ(placed(known("a:2,b:2,c:2", {{"b", 999}}), 6, "a:2,c:2", 2), "a:2,c:2,b:2");
}

TEST(Placement, TheHostThatWasLostLongestAgoIsTakenFirst) {
  EXPECT_EQ(placed(known("a:1,b:1,c:1,d:1", {{"b", 900}, {"c", 800}, {"d", 1300}}), 2, "a:1,d:1"), "a:1,c:1");
  EXPECT_THAT(on_probation(known("a:1,b:1,c:1", {{"a", 1300}, {"b", 1200}, {"c", 900}}), kNow), ElementsAre("b", "a"));
}

TEST(Placement, TellsTheHostOfARank) {
  const Placement placement = parse_hosts("a:2,d:1,c:2");
  EXPECT_EQ(host_of(placement, 1), "a");
  EXPECT_EQ(host_of(placement, 2), "d");
  EXPECT_EQ(host_of(placement, 4), "c");
}

}  // namespace
}  // namespace holdfast
