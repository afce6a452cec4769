#include "base/run_lock.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "tests/unit/format/temporary_directory.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class RunLockTest : public testing::Test {
 protected:
  std::string refusal() {
    try {
      RunLock(path_, "");
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), kExitUnavailable);
      return error.what();
    }
    return "taken";
  }
  TemporaryDirectory directory_;
  Path path_ = directory_.path() / "lock";
};

TEST_F(RunLockTest, NamesTheHolderToTheSecond) {
  const RunLock lock(path_, "");
  const std::string why = refusal();
  EXPECT_THAT(why, HasSubstr("train in " + directory_.path().string() + ": expected a run directory that nobody trains in"));
  EXPECT_THAT(why, HasSubstr("found process " + std::to_string(::getpid()) + " on " + host_name() + " since 20"));
  EXPECT_THAT(why, HasSubstr("\n  next: wait for it, stop it, or give another --run-dir"));
}

TEST_F(RunLockTest, IsHeldTellsWithoutTakingIt) {
  EXPECT_FALSE(RunLock::is_held(path_)) << "no file";
  {
    const RunLock lock(path_, "");
    EXPECT_TRUE(RunLock::is_held(path_));
    EXPECT_TRUE(RunLock::is_held(path_));
  }
  EXPECT_FALSE(RunLock::is_held(path_));
  EXPECT_EQ(refusal(), "taken");
}

TEST_F(RunLockTest, IsTakenHoweverOftenSomebodyAsksWhetherItIsHeld) {
  { const RunLock lock(path_, ""); }
  const std::jthread asking([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) RunLock::is_held(path_);
  });
  for (int i = 0; i < 200; ++i) ASSERT_EQ(refusal(), "taken") << "time " << i;
}

TEST_F(RunLockTest, GoesWithItsObject) {
  { const RunLock lock(path_, ""); }
  EXPECT_EQ(refusal(), "taken");
}

TEST_F(RunLockTest, GoesWithAKilledHolderWhoseTextStays) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  ASSERT_GE(holder, 0);
  if (holder == 0) {
    const RunLock lock(path_, "");
    [[maybe_unused]] const ssize_t n = ::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(refusal(), HasSubstr("process " + std::to_string(holder)));
  ::kill(holder, SIGKILL);
  ASSERT_EQ(::waitpid(holder, nullptr, 0), holder);
  EXPECT_TRUE(std::filesystem::file_size(path_) > 0);
  const RunLock lock(path_, "");
  EXPECT_THAT(refusal(), HasSubstr("process " + std::to_string(::getpid())));
}

TEST_F(RunLockTest, TakesOverAFileWithAnyText) {
  for (const char* text : {"", "rubbish", "{\"pid\": 1, \"host\": \"elsewhere\", \"since\": \"yesterday\"}"}) {
    std::ofstream(path_) << text;
    EXPECT_EQ(refusal(), "taken") << text;
  }
}

TEST_F(RunLockTest, RefusesEvenIfTheHoldersTextIsRubbish) {
  const RunLock lock(path_, "");
  for (const char* text : {"", "[]", "{}"}) {
    std::ofstream(path_) << text;
    EXPECT_THAT(refusal(), HasSubstr("found process 0 on ? since ?")) << text;
  }
}

TEST_F(RunLockTest, AcceptsWhoKnowsTheToken) {
  const RunLock lock(path_, "secret");
  EXPECT_TRUE(RunLock::accepts(path_, "secret"));
  EXPECT_FALSE(RunLock::accepts(path_, "secret "));
  EXPECT_FALSE(RunLock::accepts(path_, ""));
}

TEST_F(RunLockTest, AcceptsNobodyWhereItHasNoToken) {
  EXPECT_FALSE(RunLock::accepts(path_, "secret")) << "no file";
  const RunLock lock(path_, "");
  EXPECT_FALSE(RunLock::accepts(path_, ""));
  EXPECT_FALSE(RunLock::accepts(path_, "secret"));
}

TEST_F(RunLockTest, KeepsTheTokenToItself) {
  const RunLock lock(path_, "secret");
  EXPECT_THAT(read_text(*make_posix_file_system(), path_), testing::Not(HasSubstr("secret")));
}

TEST_F(RunLockTest, NamesAPathThatCannotBeOpened) {
  try {
    RunLock(directory_.path() / "gone" / "lock", "");
    FAIL();
  } catch (const StorageError& error) {
    EXPECT_EQ(std::string(error.what()),
              "open the run's lock " + (directory_.path() / "gone" / "lock").string() + ": No such file or directory");
  }
}

}  // namespace
}  // namespace holdfast
