#include "trainer/stopping/stop_sources.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/unit/base/fake_clock.h"
#include "tests/unit/base/temporary_directory.h"
#include "trainer/stopping/poll_interval.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class Stop : public testing::Test {
 protected:
  StopSources sources(std::vector<Deadline> deadlines = {}) { return {clock_, *files_, file_, std::move(deadlines)}; }
  FakeClock clock_{0, 1e9};
  const TemporaryDirectory directory_;
  const Path file_ = directory_.path() / "stop";
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(Stop, IsWantedByNobodyAtFirst) { EXPECT_FALSE(sources({{.unix_seconds = 2e9}}).reason(0)); }

TEST_F(Stop, ComesBeforeADeadlineByItsMargin) {
  StopSources stop = sources({{.unix_seconds = 1e9 + 100, .least_margin_seconds = 30, .what = "the job ends"}});
  clock_.now = 69;
  EXPECT_FALSE(stop.reason(1));
  clock_.now = 70;
  ASSERT_TRUE(stop.reason(1));
  EXPECT_TRUE(stop.reason(1)->is_of_run);
  EXPECT_THAT(stop.reason(1)->text, HasSubstr("the job ends in 30.0 s"));
}

TEST_F(Stop, ComesEarlierWhereMoreTimeIsNeeded) {
  StopSources stop = sources({{.unix_seconds = 1e9 + 100, .least_margin_seconds = 30, .what = "the job ends"}});
  clock_.now = 39;
  EXPECT_FALSE(stop.reason(40)) << "half as much again: 60 s";
  clock_.now = 41;
  EXPECT_TRUE(stop.reason(40));
}

TEST_F(Stop, FileIsLookedForOnceASecond) {
  StopSources stop = sources();
  EXPECT_FALSE(stop.reason(0));
  std::ofstream(file_).flush();
  clock_.now = 0.9;
  EXPECT_FALSE(stop.reason(0));
  clock_.now = 1;
  ASSERT_TRUE(stop.reason(0));
  EXPECT_THAT(stop.reason(0)->text, HasSubstr(file_.string()));
  EXPECT_TRUE(stop.reason(0)->is_of_run);
}

TEST_F(Stop, FileIsSeenByWhoeverAsksWithoutWaiting) {
  StopSources stop = sources();
  EXPECT_FALSE(stop.reason(0));
  EXPECT_FALSE(stop.is_stop_file_there());
  std::ofstream(file_).flush();
  EXPECT_TRUE(stop.is_stop_file_there());
  EXPECT_FALSE(stop.reason(0)) << "it is looked for in a second";
}

TEST_F(Stop, FileIsGoneOnceItIsObeyed) {
  std::ofstream(file_).flush();
  StopSources stop = sources();
  EXPECT_TRUE(stop.reason(0));
  EXPECT_TRUE(std::filesystem::exists(file_)) << "not before: a rank that is killed meanwhile has obeyed nothing";
  stop.obeyed();
  EXPECT_FALSE(std::filesystem::exists(file_));
  EXPECT_FALSE(sources().reason(0));
  stop.obeyed();  // nothing there
}

TEST(PollInterval, IsEachBatchUntilBatchesHaveBeenMeasured) { EXPECT_EQ(PollInterval().batches(), 1); }

TEST(PollInterval, IsHalfASecondOfBatchesAndNeverLessThanOne) {
  PollInterval polls;
  polls.take(0.01);
  EXPECT_EQ(polls.batches(), 50);
  EXPECT_DOUBLE_EQ(polls.seconds(), 0.5);
  polls.take(20);
  EXPECT_EQ(polls.batches(), 1);
  EXPECT_DOUBLE_EQ(polls.seconds(), 20);
  polls.take(0);
  EXPECT_EQ(polls.batches(), 1) << "nothing was measured";
}

}  // namespace
}  // namespace holdfast
