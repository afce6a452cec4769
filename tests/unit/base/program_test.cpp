#include "base/program.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/process_files.h"
#include "base/reap.h"
#include "tests/unit/base/wait_until.h"

namespace holdfast {
namespace {

TEST(Program, TellsWhatItPrintedAndItsExitCode) {
  const ProgramEnd end = run_program({"sh", "-c", "echo one; echo two; echo wrong >/dev/null; exit 3"});
  EXPECT_EQ(end.output, "one\ntwo\n");
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_FALSE(end.is_good());
  EXPECT_TRUE(run_program({"/bin/true"}, {.seconds = 30}).is_good());
}

TEST(Program, WordsAreNotReadByAShell) { EXPECT_EQ(run_program({"printf", "%s", "$HOME;*"}).output, "$HOME;*"); }

TEST(Program, TakesErrorsWhereTheyAreAskedFor) {
  EXPECT_EQ(run_program({"sh", "-c", "echo wrong >&2"}, {.takes_errors = true}).output, "wrong\n");
}

TEST(Program, HandsOutMoreThanAPipeHolds) {
  EXPECT_EQ(run_program({"head", "-c", "1000000", "/dev/zero"}, {.seconds = 30}).output.size(), 1'000'000u);
}

TEST(Program, ThatIsNotThereSaysSo) {
  EXPECT_EQ(run_program({"/no/such/program"}).start_error, ENOENT);
  EXPECT_EQ(run_program({"no-such-program-on-path"}, {.seconds = 1}).start_error, ENOENT);
}

TEST(Program, ThatDiesTellsItsSignal) {
  const ProgramEnd end = run_program({"sh", "-c", "kill -KILL $$"});
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.exit_code, 128 + SIGKILL);
  EXPECT_TRUE(end.was_in_time);
}

TEST(Program, ThatTakesTooLongIsKilledWithAllThatItHasStarted) {
  const SystemClock clock;
  const double begin = clock.seconds();
  const ProgramEnd end = run_program({"sh", "-c", "sleep 1000 & echo $!; wait"}, {.seconds = 0.5});
  EXPECT_LT(clock.seconds() - begin, 20);
  EXPECT_FALSE(end.was_in_time);
  EXPECT_FALSE(end.is_good());
  const pid_t sleeping = std::atoi(end.output.c_str());
  ASSERT_GT(sleeping, 0);
  EXPECT_TRUE(wait_until([sleeping] { return process_state(sleeping) == 'Z'; }));
}

TEST(Program, ThatClosesItsOutputAndLivesOnIsKilledToo) {
  const SystemClock clock;
  const double begin = clock.seconds();
  EXPECT_FALSE(run_program({"sh", "-c", "exec >&- 2>&-; sleep 1000"}, {.seconds = 0.3}).was_in_time);
  EXPECT_LT(clock.seconds() - begin, 20);
}

TEST(Reap, GivesUpOnAChildThatLivesOn) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    for (;;) ::pause();
  }
  ::setpgid(child, child);
  EXPECT_EQ(wait_for_end(child, 0.05), std::nullopt);
  const std::optional<int> status = kill_and_reap(child, 30);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(WTERMSIG(*status), SIGKILL);
  EXPECT_EQ(wait_for_end(child, 30), std::nullopt) << "it is no child any more";
}

}  // namespace
}  // namespace holdfast
