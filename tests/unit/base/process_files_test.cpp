#include "base/process_files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/text_file.h"
#include "tests/unit/base/started_process.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

TEST(ProcessFiles, TellTheEnvironmentThatAProcessWasStartedWith) {
  StartedProcess sleep({"/bin/sleep", "100", nullptr}, {"NOT_A=x", "A=", "B=b=c", nullptr});
  const pid_t pid = sleep.pid();
  EXPECT_TRUE(wait_until([pid] { return environment_value(pid, "B") == "b=c"; }));
  EXPECT_EQ(environment_value(pid, "A"), "");
  EXPECT_EQ(environment_value(pid, "C"), std::nullopt);
  sleep.end();
  EXPECT_EQ(environment_of(pid), "") << "it is gone";
  EXPECT_EQ(text_of_file("/no/such/file"), "");
  EXPECT_EQ(text_of_file("/proc/self/mem"), "") << "can be opened; to read it from its beginning is an error";
}

TEST(ProcessFiles, TellTheWholeEnvironmentOfAProcessOrThatItIsInExecve) {
  const std::string large = "LARGE=" + std::string(60'000, 'x');  // is read in pieces; the shell puts it anywhere between the others
  const StartedProcess again({"/bin/sh", "-c", kAgainCommand, nullptr}, {kAgain, "A=a", "B=b", large.c_str(), "C=c", "D=d", nullptr});
  EXPECT_TRUE(wait_until([&again] { return environment_value(again.pid(), "AGAIN").has_value(); }));
  int cut_short = 0, in_execve = 0, missed = 0;
  wait_until(
      [&] {
        const std::string text = process_file(again.pid(), "environ");
        cut_short += !text.empty() && text.back() != '\0';
        if (const std::optional<std::string> environment = environment_of(again.pid()); !environment)
          ++in_execve;
        else
          for (const char* variable : {"A", "B", "C", "D", "LARGE"}) missed += !value_in(*environment, variable);
        return cut_short >= 3 && in_execve >= 10;
      },
      3);
  EXPECT_EQ(missed, 0) << "a sweep would have left it alive";
  EXPECT_GT(cut_short + in_execve, 0) << "no look has met it in execve";
}

TEST(ProcessFiles, TellThatThereIsNoEnvironment) {
  const StartedProcess empty({"/bin/sleep", "100", nullptr}, {nullptr}), zombie({"/bin/sleep", "100", nullptr}, {"A=a", nullptr});
  EXPECT_TRUE(wait_until([&empty] { return environment_of(empty.pid()) == ""; }));
  ::kill(zombie.pid(), SIGKILL);
  EXPECT_TRUE(wait_until([&zombie] { return process_state(zombie.pid()) == 'Z'; }));
  EXPECT_EQ(environment_of(zombie.pid()), "");
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
