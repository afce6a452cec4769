#include "launch/attempt/sweep.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/process_files.h"
#include "tests/unit/base/started_process.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

TEST(Sweep, FindsAndEndsAProcessThatIsInExecve) {
  const std::string value = std::to_string(::getpid()), tag = "SWEEP_TEST=" + value;
  const StartedProcess again({"/bin/sh", "-c", kAgainCommand, nullptr}, {kAgain, tag.c_str(), nullptr});
  EXPECT_TRUE(wait_until([&again] { return environment_value(again.pid(), "SWEEP_TEST").has_value(); }));
  for (int look = 0; look < 100; ++look) ASSERT_EQ(processes_with("SWEEP_TEST", value), std::vector<pid_t>{again.pid()}) << "look " << look;
  EXPECT_EQ(sweep("SWEEP_TEST", value, 10), 0);
  EXPECT_EQ(process_state(again.pid()), 'Z');
  EXPECT_EQ(processes_with("SWEEP_TEST", value + "0"), std::vector<pid_t>());
}

}  // namespace
}  // namespace holdfast
