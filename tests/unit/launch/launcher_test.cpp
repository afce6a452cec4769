#include "launch/attempt/launcher.h"

#include <gmock/gmock.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string line_of(const LaunchPlan& plan, int cores = 4) { return fmt::format(" {} ", fmt::join(mpirun_arguments(plan, cores), " ")); }

TEST(Launcher, OnThisHostAloneNamesNoHost) {
  const std::string line = line_of({.ranks = 2, .shim = "holdfast", .command = {"train"}});
  EXPECT_THAT(line, Not(HasSubstr(" --host ")));
  EXPECT_THAT(line, Not(HasSubstr("keepalive")));
  EXPECT_THAT(line, HasSubstr(" holdfast rank -- train "));
}

TEST(Launcher, FillsHostsInOrderAndNoticesACutLinkInSeconds) {
  const std::string line = line_of({.ranks = 3, .hosts = {{"a", 2}, {"b", 1}}, .agent = "/bin/agent"});
  EXPECT_THAT(line, HasSubstr(" -n 3 "));
  EXPECT_THAT(line, HasSubstr(" --host a:2,b:1 --map-by slot "));
  EXPECT_THAT(line, HasSubstr(" --mca oob_tcp_keepalive_time 3 "));
  EXPECT_THAT(line, HasSubstr(" --mca plm_rsh_agent /bin/agent "));
  EXPECT_THAT(line, Not(HasSubstr("--oversubscribe")));
}

TEST(Launcher, RanksThatOutnumberTheCoresOfAHostGiveThemAwayWhileTheyWait) {
  EXPECT_THAT(line_of({.ranks = 8, .hosts = {{"a", 4}, {"b", 4}}}), Not(HasSubstr("yield")));
  EXPECT_THAT(line_of({.ranks = 9, .hosts = {{"a", 5}, {"b", 4}}}), HasSubstr(" --mca mpi_yield_when_idle 1 "));
}

TEST(Launcher, TheTokenIsOnNoCommandLine) {
  const std::string line = line_of({.variables = {{"HOLDFAST_TOKEN", "0123456789abcdef"}}});
  EXPECT_THAT(line, HasSubstr(" -x HOLDFAST_TOKEN "));
  EXPECT_THAT(line, Not(HasSubstr("0123456789abcdef")));
}

}  // namespace
}  // namespace holdfast
