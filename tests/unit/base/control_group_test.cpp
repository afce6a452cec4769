#include "base/control_group.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

/// A made-up /proc and /sys.
class ControlGroup : public testing::Test {
 protected:
  void write(const Path& path, const std::string& text) {
    std::filesystem::create_directories((directory_.path() / path).parent_path());
    std::ofstream(directory_.path() / path) << text;
  }
  std::optional<std::int64_t> limit() { return memory_group(directory_.path()).value_or(MemoryGroup{}).limit_bytes; }
  TemporaryDirectory directory_;
};

TEST_F(ControlGroup, TheLeastLimitOnTheWayUpCounts) {
  write("proc/self/cgroup", "0::/job/7/step/0\n");
  write("sys/fs/cgroup/job/7/step/0/memory.max", "max\n");
  write("sys/fs/cgroup/job/7/step/memory.max", "9000\n");
  write("sys/fs/cgroup/job/7/memory.max", "4096\n");
  write("sys/fs/cgroup/job/memory.max", "max\n");
  EXPECT_EQ(limit(), 4096) << "of the job, not of its step";
}

TEST_F(ControlGroup, WithoutALimitHasNone) {
  write("proc/self/cgroup", "0::/\n4:memory:/job/2\n");
  write("sys/fs/cgroup/memory/job/2/memory.oom_control", "oom_kill 0\n");
  write("sys/fs/cgroup/memory/job/2/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(limit(), std::nullopt) << "version 1 says so by a number";
  EXPECT_EQ(memory_group(directory_.path())->name, "/job/2");
}

TEST_F(ControlGroup, OfAContainerIsAtTheMount) {
  write("proc/self/cgroup", "4:memory:/docker/0123\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n");
  write("sys/fs/cgroup/memory/memory.oom_control", "oom_kill 0\n");
  EXPECT_EQ(limit(), 1048576);
}

TEST_F(ControlGroup, NeedNotBeThere) { EXPECT_FALSE(memory_group(directory_.path()).has_value()); }

}  // namespace
}  // namespace holdfast
