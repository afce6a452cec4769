#include "launch/shim/memory_kill.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

/// A made-up /proc and /sys.
class MemoryKillsTest : public testing::Test {
 protected:
  void write(const Path& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  /// What is said when the counter in `file`, behind `head`, has gone up by one.
  std::optional<std::string> killer_once_counted(const Path& file, const std::string& head) {
    write(file, head + "oom_kill 3\n");
    const MemoryKills kills(root_);
    EXPECT_EQ(kills.killer(), std::nullopt);
    write(file, head + "oom_kill 4\n");
    return kills.killer();
  }
  TemporaryDirectory directory_;
  const Path& root_ = directory_.path();
};

TEST_F(MemoryKillsTest, TheCounterOfVersion2IsRead) {
  write("proc/self/cgroup", "0::/job/1\n");
  write("sys/fs/cgroup/job/1/memory.max", "1048576\n");
  EXPECT_EQ(killer_once_counted("sys/fs/cgroup/job/1/memory.events", "low 0\noom 3\n"),
            "the kernel's out-of-memory killer of the control group /job/1 (limit 1048576 bytes)");
}

TEST_F(MemoryKillsTest, TheCounterOfVersion1IsReadWhereBothAreMounted) {
  write("proc/self/cgroup", "0::/\n4:memory:/job/2\n");
  write("sys/fs/cgroup/memory/job/2/memory.limit_in_bytes", "4096\n");
  EXPECT_EQ(killer_once_counted("sys/fs/cgroup/memory/job/2/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n"),
            "the kernel's out-of-memory killer of the control group /job/2 (limit 4096 bytes)");
}

TEST_F(MemoryKillsTest, WithoutAGroupTheMachineCounts) {
  EXPECT_EQ(killer_once_counted("proc/vmstat", "nr_free_pages 5\n"), "the kernel's out-of-memory killer: the machine has no memory left");
}

TEST_F(MemoryKillsTest, AKillOfLongAgoExplainsNoDeathAndOneOfJustNowDoes) {
  write("proc/vmstat", "oom_kill 0\n");
  MemoryKills kills(root_);
  write("proc/vmstat", "oom_kill 1\n");
  kills.renew();
  EXPECT_NE(kills.killer(), std::nullopt) << "the process may take its time to end";
  kills.renew();
  EXPECT_EQ(kills.killer(), std::nullopt) << "that was another one";
  write("proc/vmstat", "oom_kill 2\n");
  EXPECT_NE(kills.killer(), std::nullopt);
}

TEST_F(MemoryKillsTest, AGroupWithoutALimitHasNotRunIntoIt) {
  write("proc/self/cgroup", "0::/job/1\n");
  write("sys/fs/cgroup/job/1/memory.max", "max\n");
  EXPECT_EQ(killer_once_counted("sys/fs/cgroup/job/1/memory.events", ""),
            "the kernel's out-of-memory killer: the machine has no memory left");
}

TEST_F(MemoryKillsTest, WhereNothingIsCountedNothingIsClaimed) { EXPECT_EQ(MemoryKills(root_).killer(), std::nullopt); }

}  // namespace
}  // namespace holdfast
