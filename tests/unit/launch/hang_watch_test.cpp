#include "launch/watch/hang_watch.h"

#include <gmock/gmock.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<int> ranks_of(const std::vector<Hang::Culprit>& culprits) {
  std::vector<int> ranks;
  for (const Hang::Culprit& culprit : culprits) ranks.push_back(culprit.rank);
  return ranks;
}

/// Three ranks whose shims speak five times a second. A step is a second of forward, then a collective.
class HangWatchTest : public testing::Test {
 protected:
  HangWatchTest() { watch_.begin(3, now_); }

  /// What each rank's heartbeat says now.
  void beat(int rank, Section section, bool is_inside = false) {
    RankPulse& pulse = pulses_.at(static_cast<std::size_t>(rank));
    pulse.section = section;
    if (is_inside && !pulse.is_inside_collective) ++pulse.collectives;
    pulse.is_inside_collective = is_inside;
    ++pulse.beats;
  }
  void beat_all(Section section, bool is_inside = false) {
    for (int rank = 0; rank < 3; ++rank) beat(rank, section, is_inside);
  }
  void complete_a_step() {
    beat_all(Section::forward);
    pass(0.2);
    beat_all(Section::reduce, true);
    beat_all(Section::update);
    for (RankPulse& pulse : pulses_) pulse.step = ++pulse.global_step + 1;
    pass(0.2);
  }
  /// Everybody has made three steps.
  void get_going() {
    for (int step = 0; step < 3; ++step) complete_a_step();
  }
  /// Time goes by, in which the shims say what they see. Returns the first hang.
  std::optional<Hang> pass(double seconds) {
    std::optional<Hang> hang;
    for (const double end = now_ + seconds; now_ < end - 1e-9 && !hang; now_ += 0.1) {
      for (int rank = 0; rank < 3; ++rank)
        if (!deaf_.contains(rank)) watch_.take(rank, pulses_[static_cast<std::size_t>(rank)], now_);
      hang = watch_.check(now_);
    }
    return hang;
  }

  HangOptions options_{};
  HangWatch watch_{options_};
  std::array<RankPulse, 3> pulses_{};
  std::set<int> deaf_;
  double now_ = 100;
};

TEST_F(HangWatchTest, NamesTheRankThatTheOthersWaitFor) {
  get_going();
  beat_all(Section::backward);
  pass(0.2);
  for (const int rank : {0, 2}) beat(rank, Section::reduce, true);
  EXPECT_FALSE(pass(4.5));
  const std::optional<Hang> hang = pass(1);
  ASSERT_TRUE(hang);
  EXPECT_THAT(ranks_of(hang->culprits), ElementsAre(1));
  EXPECT_THAT(hang->waiters, ElementsAre(0, 2));
  EXPECT_EQ(hang->culprits[0].pulse.section, Section::backward);
  EXPECT_EQ(hang->culprits[0].pulse.step, 4);
  EXPECT_DOUBLE_EQ(hang->deadline_seconds, 5);
  EXPECT_EQ(describe(*hang), "no sign of life for 5.1 s (deadline 5.0 s), outside any collective; ranks 0, 2 wait for it");
}

TEST_F(HangWatchTest, OfRanksInTwoCollectivesTheOneBehindHoldsUpTheOther) {
  get_going();
  beat_all(Section::reduce, true);
  beat(1, Section::update);  // it got what it needed and went on; the others did not
  const std::optional<Hang> hang = pass(6);
  ASSERT_TRUE(hang);
  EXPECT_THAT(ranks_of(hang->culprits), ElementsAre(0, 2));
  EXPECT_THAT(hang->waiters, ElementsAre(1));
  EXPECT_THAT(describe(*hang), HasSubstr("inside collective 4; rank 1 waits for them"));
}

TEST_F(HangWatchTest, ACollectiveThatAllAreInAndThatDoesNotEndIsNobodysFault) {
  get_going();
  beat_all(Section::reduce, true);
  const std::optional<Hang> hang = pass(6);
  ASSERT_TRUE(hang);
  EXPECT_THAT(ranks_of(hang->culprits), ElementsAre(0, 1, 2));
  EXPECT_THAT(hang->waiters, IsEmpty());
  EXPECT_THAT(describe(*hang), HasSubstr("inside collective 4, as every other"));
}

TEST_F(HangWatchTest, WaitersAreNotHeldToTheirOwnDeadline) {
  get_going();
  for (const int rank : {1, 2}) beat(rank, Section::reduce, true);
  beat(0, Section::commit);  // it may take 120 s to save
  EXPECT_FALSE(pass(100));
  const std::optional<Hang> hang = pass(30);
  ASSERT_TRUE(hang);
  EXPECT_THAT(ranks_of(hang->culprits), ElementsAre(0));
  EXPECT_DOUBLE_EQ(hang->deadline_seconds, 120);
}

TEST_F(HangWatchTest, TheFirstStepOfAnAttemptMayTakeWhatSetUpMayTake) {
  beat_all(Section::forward);
  EXPECT_FALSE(pass(299));
  EXPECT_TRUE(pass(3));
}

TEST_F(HangWatchTest, ARankThatNeverStartsIsNamed) {
  deaf_ = {1};
  for (int second = 0; second < 299; ++second) {
    for (const int rank : {0, 2}) beat(rank, Section::setup);
    EXPECT_FALSE(pass(1));
  }
  for (const int rank : {0, 2}) beat(rank, Section::setup, true);
  const std::optional<Hang> hang = pass(5);
  ASSERT_TRUE(hang);
  EXPECT_THAT(ranks_of(hang->culprits), ElementsAre(1));
  EXPECT_FALSE(hang->culprits[0].has_joined);
  EXPECT_THAT(describe(*hang), HasSubstr("it has not started within 300"));
}

TEST_F(HangWatchTest, ASilenceThatEndedIsLearntFrom) {
  get_going();
  beat_all(Section::forward);
  EXPECT_FALSE(pass(3));  // a page fault storm, a slow batch
  complete_a_step();
  beat_all(Section::forward);
  EXPECT_FALSE(pass(17));  // 6 times 3 s
  EXPECT_TRUE(pass(3));
}

TEST_F(HangWatchTest, OtherSectionsLearnNothingFromIt) {
  get_going();
  beat_all(Section::validation);
  EXPECT_FALSE(pass(50));
  complete_a_step();
  beat_all(Section::forward);
  EXPECT_TRUE(pass(6));
}

TEST_F(HangWatchTest, EachAttemptInARowThatHangsDoublesTheDeadline) {
  get_going();
  beat_all(Section::forward);
  ASSERT_TRUE(pass(6));
  watch_.begin(3, now_);
  pulses_ = {};
  get_going();
  beat_all(Section::forward);
  EXPECT_FALSE(pass(9));
  EXPECT_TRUE(pass(2));
  watch_.begin(3, now_);
  watch_.begin(3, now_);  // the attempt between them died of something else
  pulses_ = {};
  get_going();
  beat_all(Section::forward);
  EXPECT_TRUE(pass(6));
}

TEST_F(HangWatchTest, ARankWhoseShimSaysNothingIsLeftToItsLease) {
  get_going();
  beat_all(Section::backward);
  pass(0.2);
  for (const int rank : {0, 2}) beat(rank, Section::reduce, true);
  deaf_ = {1};
  EXPECT_FALSE(pass(60));
}

TEST_F(HangWatchTest, ACallerThatStoodStillKnowsNothingOfThatTime) {
  get_going();
  beat_all(Section::forward);
  pass(0.2);
  now_ += 100;
  watch_.forgive(now_);
  EXPECT_FALSE(pass(4.5));
  EXPECT_TRUE(pass(1));
}

TEST_F(HangWatchTest, OfRanksThatHaveEndedNothingIsExpected) {
  get_going();
  beat_all(Section::finish);
  pass(0.2);
  for (const int rank : {0, 1}) watch_.ended(rank);
  const std::optional<Hang> hang = pass(301);
  ASSERT_TRUE(hang);
  EXPECT_THAT(ranks_of(hang->culprits), ElementsAre(2));
}

TEST(HangWatch, IsSilentWhereItIsTurnedOff) {
  HangOptions options;
  options.detect = false;
  HangWatch watch(options);
  watch.begin(1, 0);
  EXPECT_FALSE(watch.check(1e6));
}

}  // namespace
}  // namespace holdfast
