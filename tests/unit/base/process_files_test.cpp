#include "base/process_files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

TEST(ProcessFiles, TellTheEnvironmentThatAProcessWasStartedWith) {
  const pid_t child = ::fork();
  if (child == 0) {
    const char *const words[] = {"sleep", "100", nullptr}, *const variables[] = {"NOT_A=x", "A=", "B=b=c", nullptr};
    ::execve("/bin/sleep", const_cast<char**>(words), const_cast<char**>(variables));
    ::_exit(1);
  }
  EXPECT_TRUE(wait_until([child] { return process_file(child, "comm") == "sleep\n"; }));
  EXPECT_EQ(environment_value(child, "A"), "");
  EXPECT_EQ(environment_value(child, "B"), "b=c");
  EXPECT_EQ(environment_value(child, "C"), std::nullopt);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(environment_value(child, "A"), std::nullopt) << "it is gone";
  EXPECT_EQ(text_of_file("/no/such/file"), "");
}

TEST(ProcessFiles, TellTheMemoryThatIsOfAProcessAlone) {
  const std::int64_t before = private_bytes(::getpid());
  EXPECT_GT(before, 0);
  std::vector<char> block(256 << 20, 'x');
  EXPECT_GE(private_bytes(::getpid()), before + (192 << 20)) << "less: pages of libraries that another process has come to share";
  EXPECT_EQ(block.back(), 'x');
  EXPECT_EQ(private_bytes(-1), 0) << "there is none";
}

}  // namespace
}  // namespace holdfast
