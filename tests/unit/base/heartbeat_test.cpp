#include "base/heartbeat.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/environment.h"

namespace holdfast {
namespace {

class HeartbeatTest : public testing::Test {
 protected:
  ~HeartbeatTest() override { ::unsetenv(environment::kHeartbeatFd); }
  /// As a rank finds it. It closes its descriptor: it gets one of its own.
  std::unique_ptr<Heartbeat> open() {
    ::setenv(environment::kHeartbeatFd, std::to_string(::dup(shim_->fd())).c_str(), 1);
    return Heartbeat::from_environment();
  }
  std::unique_ptr<Heartbeat> shim_ = Heartbeat::create();
};

TEST_F(HeartbeatTest, StartsWithoutADurableStepAndTakesNoStopRequests) {
  EXPECT_EQ(shim_->block().durable_step, -1);
  EXPECT_EQ(shim_->block().resumed_step, -2);
  EXPECT_EQ(shim_->block().takes_stop_requests, 0u);
  EXPECT_EQ(shim_->block().beats, 0u);
  EXPECT_EQ(shim_->error(), "");
}

TEST_F(HeartbeatTest, IsNothingWithoutAShim) { EXPECT_EQ(Heartbeat::from_environment(), nullptr); }

TEST_F(HeartbeatTest, ShowsTheShimWhatTheRankWrites) {
  const auto rank = open();
  rank->enter(Section::backward, 137);
  rank->collective(true);
  rank->block().global_step = 136;
  rank->set_error("out of cheese");
  EXPECT_EQ(shim_->block().section, static_cast<std::uint32_t>(Section::backward));
  EXPECT_EQ(shim_->block().step, 137);
  EXPECT_EQ(shim_->block().global_step, 136);
  EXPECT_EQ(shim_->error(), "out of cheese");
}

TEST_F(HeartbeatTest, KeepsWhatAKilledRankWroteLast) {
  const auto rank = open();
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    rank->enter(Section::commit, 14);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(shim_->block().section, static_cast<std::uint32_t>(Section::commit));
  EXPECT_EQ(shim_->block().step, 14);
}

TEST_F(HeartbeatTest, BeatsWithEveryCallAndCountsCollectivesAtTheirBegin) {
  shim_->enter(Section::reduce, 1);
  shim_->collective(true);
  EXPECT_EQ(shim_->block().beats, 2u);
  EXPECT_EQ(shim_->block().collectives, 1u);
  EXPECT_EQ(shim_->block().is_inside_collective, 1u);
  shim_->collective(false);
  EXPECT_EQ(shim_->block().beats, 3u);
  EXPECT_EQ(shim_->block().collectives, 1u);
  EXPECT_EQ(shim_->block().is_inside_collective, 0u);
}

TEST_F(HeartbeatTest, CutsAnErrorThatIsTooLong) {
  shim_->set_error(std::string(5000, 'x'));
  EXPECT_EQ(shim_->error(), std::string(sizeof(HeartbeatBlock::error) - 1, 'x'));
  shim_->set_error("short");
  EXPECT_EQ(shim_->error(), "short");
}

}  // namespace
}  // namespace holdfast
