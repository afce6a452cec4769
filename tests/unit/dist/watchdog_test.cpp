#include "dist/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/base/fake_clock.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

/// What a device says of one operation; shared with the test, which decides when it happens.
struct Fate {
  bool has_started = false, is_done = false;
  std::string failure;
};

struct FakeMarks final : OperationMarks {
  explicit FakeMarks(std::shared_ptr<Fate> known) : fate(std::move(known)) {}
  bool has_started() override { return fate->has_started; }
  bool is_done() override { return fate->is_done; }
  std::string failure() override { return fate->failure; }
  std::shared_ptr<Fate> fate;
};

class WatchdogTest : public testing::Test {
 protected:
  std::shared_ptr<Fate> queue(std::uint64_t bytes = 64) {
    const auto fate = std::make_shared<Fate>();
    const std::uint64_t sequence = watchdog.begin(OperationKind::all_reduce, bytes);
    watchdog.watch(sequence, bytes, std::make_unique<FakeMarks>(fate));
    return fate;
  }
  FlightProgress progress() const { return read_ring(*ring, 0, "").progress; }

  std::unique_ptr<FlightRing> ring = std::make_unique<FlightRing>();
  FlightRecorder recorder{*ring};
  FakeClock clock{0, 1000};
  std::string connection_failure;
  Watchdog watchdog{{.recorder = recorder, .clock = clock, .deadline_seconds = 10, .failure = [this] { return connection_failure; }}};
};

TEST_F(WatchdogTest, NotesWhenEachOperationBeginsAndEnds) {
  const auto first = queue(64), second = queue(128);
  clock.now = 1;
  first->has_started = true;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  EXPECT_EQ(progress(), (FlightProgress{2, 1, 0}));
  clock.now = 3;
  first->is_done = second->has_started = true;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  EXPECT_EQ(progress(), (FlightProgress{2, 2, 1}));
  const FlightRecord record = read_ring(*ring, 0, "");
  EXPECT_EQ(record.operations.at(0),
            (RecordedOperation{.sequence = 1, .bytes = 64, .queued_at = 1000, .started_at = 1001, .ended_at = 1003}));
  EXPECT_EQ(record.operations.at(1), (RecordedOperation{.sequence = 2, .bytes = 128, .queued_at = 1000, .started_at = 1003}));
}

TEST_F(WatchdogTest, BlamesAnOperationThatIsNotOverAtTheDeadlineAndNotBefore) {
  queue()->has_started = true;
  clock.now = 5;
  EXPECT_EQ(watchdog.poll(), std::nullopt);  // seen to have begun
  clock.now = 14.9;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  clock.now = 15;
  ASSERT_TRUE(watchdog.poll());
  EXPECT_THAT(*watchdog.poll(), HasSubstr("operation 1"));
  EXPECT_THAT(*watchdog.poll(), HasSubstr("begun 10.0 s ago"));
}

TEST_F(WatchdogTest, CountsTheTimeFromTheBeginningOnTheDeviceNotFromTheQueueing) {
  const auto fate = queue();
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  clock.now = 1000;  // the device has been computing all that time
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  fate->has_started = true;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  clock.now = 1009;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  clock.now = 1010;
  EXPECT_NE(watchdog.poll(), std::nullopt);
}

TEST_F(WatchdogTest, GivesEachOperationItsOwnTime) {
  const auto first = queue(), second = queue();
  first->has_started = true;
  watchdog.poll();
  clock.now = 9;
  first->is_done = second->has_started = true;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  clock.now = 18;
  EXPECT_EQ(watchdog.poll(), std::nullopt);
  clock.now = 19;
  ASSERT_TRUE(watchdog.poll());
  EXPECT_THAT(*watchdog.poll(), HasSubstr("operation 2"));
}

TEST_F(WatchdogTest, TellsAtOnceWhatTheConnectionHasNoticed) {
  queue()->has_started = true;
  connection_failure = "a peer is gone";
  EXPECT_EQ(watchdog.poll(), "a peer is gone");
}

TEST_F(WatchdogTest, NotesWhatIsDoneBeforeItTellsWhatIsWrong) {
  const auto fate = queue();
  fate->has_started = fate->is_done = true;
  connection_failure = "a peer is gone";
  EXPECT_TRUE(watchdog.poll());
  EXPECT_EQ(progress(), (FlightProgress{1, 1, 1}));
}

TEST_F(WatchdogTest, TellsOfAnOperationThatHasFailedOnTheDevice) {
  const auto fate = queue();
  fate->failure = "an illegal memory access was encountered";
  ASSERT_TRUE(watchdog.poll());
  EXPECT_THAT(*watchdog.poll(), HasSubstr("operation 1 on the device (64 bytes) failed: an illegal memory access"));
}

TEST_F(WatchdogTest, LetsTheMarksOfWhatIsOverGo) {
  const auto fate = queue();
  EXPECT_EQ(fate.use_count(), 2);
  fate->has_started = fate->is_done = true;
  watchdog.poll();
  EXPECT_EQ(fate.use_count(), 1);
}

TEST_F(WatchdogTest, KeepsTheNewestOperationsAlone) {
  for (std::size_t i = 0; i < 3 * FlightRing::kSlots; ++i) {
    const auto fate = queue(i);
    fate->has_started = fate->is_done = true;
    EXPECT_EQ(watchdog.poll(), std::nullopt);
  }
  const FlightRecord record = read_ring(*ring, 0, "");
  ASSERT_EQ(record.operations.size(), FlightRing::kSlots);
  EXPECT_EQ(record.operations.front().sequence, 2 * FlightRing::kSlots + 1);
  EXPECT_EQ(record.operations.back().sequence, 3 * FlightRing::kSlots);
  EXPECT_EQ(record.operations.back().bytes, 3 * FlightRing::kSlots - 1);
}

}  // namespace
}  // namespace holdfast
