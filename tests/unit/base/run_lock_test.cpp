#include "base/run_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>
#include <optional>

#include "base/error.h"
#include "base/host.h"
#include "tests/unit/base/temporary_directory.h"

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

TEST_F(RunLockTest, WaitsForWhoeverAsksWhetherItIsHeld) {
  { const RunLock lock(path_, ""); }
  const int asking = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(asking, LOCK_SH | LOCK_NB), 0);
  std::future<std::string> taking = std::async(std::launch::async, [this] { return refusal(); });
  taking.wait_for(std::chrono::milliseconds(100));  // one that gives up at once has given up by then
  ::close(asking);
  EXPECT_EQ(taking.get(), "taken");
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
              "open the run's lock " + (directory_.path() / "gone" / "lock").string() +
                  ": No such file or directory\n  next: see that this user may write there, or give another --run-dir");
  }
}

}  // namespace
}  // namespace holdfast
