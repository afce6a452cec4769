#include "launch/restart_policy.h"

#include <gmock/gmock.h>

#include "tests/unit/launch/outcomes.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = RestartDecision::Kind;

struct Case {
  const char* name;
  std::vector<ExitRecord> ends;
  Kind kind;
  int exit_code;
};

class Cause : public testing::TestWithParam<Case> {};

TEST_P(Cause, DecidesWhetherToStartAgain) {
  const Case& expected = GetParam();
  const RestartDecision decision = decide({}, {attempt(1, expected.ends)});
  EXPECT_EQ(decision.kind, expected.kind) << decision.reason;
  EXPECT_EQ(decision.exit_code, expected.exit_code) << decision.reason;
}

INSTANTIATE_TEST_SUITE_P(
    RestartPolicy, Cause,
    testing::Values(
        Case{"Killed", {killed(1, 9), killed_by_us(0)}, Kind::restart, 0}, Case{"Segv", {killed(0, 11)}, Kind::restart, 0},
        Case{"Abort", {killed(0, 6)}, Kind::restart, 0}, Case{"Exception", {exited(0, kExitSoftware)}, Kind::restart, 0},
        Case{"ExitOfItsOwn", {exited(0, 3)}, Kind::restart, 0}, Case{"PeerLost", {exited(0, kExitUnavailable)}, Kind::restart, 0},
        Case{"Storage", {exited(0, kExitStorage)}, Kind::restart, 0}, Case{"ShimLost", {lost_shim(0)}, Kind::restart, 0},
        Case{"NothingIsKnown", {}, Kind::restart, 0}, Case{"CleanExitWithoutDone", {exited(0, 0), exited(1, 0)}, Kind::restart, 0},
        Case{"Configuration", {exited(1, kExitConfiguration)}, Kind::give_up, kExitConfiguration},
        Case{"Usage", {exited(1, kExitUsage)}, Kind::give_up, kExitUsage}, Case{"Data", {exited(1, kExitData)}, Kind::give_up, kExitData},
        Case{"DataAfterALostPeer", {exited(0, kExitUnavailable), exited(1, kExitData)}, Kind::give_up, kExitData},
        Case{"KilledBeforeAConfigurationError", {killed(0, 9), exited(1, kExitConfiguration)}, Kind::restart, 0}),
    [](const auto& one) { return one.param.name; });

TEST(RestartPolicy, GivesUpAtOnceWhereARankSaysThatItWouldEndSoAgain) {
  ExitRecord end = exited(1, kExitSoftware, "cannot multiply");
  end.is_futile = true;
  const RestartDecision decision = decide({}, {attempt(1, {end, exited(0, kExitSoftware)}, -1, -1)});
  EXPECT_EQ(decision.kind, Kind::give_up);
  EXPECT_EQ(decision.exit_code, kExitSoftware);
  EXPECT_THAT(decision.reason, HasSubstr("step 12: cannot multiply\n  starting again cannot help"));
}

TEST(RestartPolicy, GivesUpWhereTheSameFailureComesThreeTimesAtTheSameStepWhateverIsSaved) {
  std::vector<AttemptOutcome> outcomes = {attempt(1, {killed(1, 11)}, -1, 7), attempt(2, {killed(1, 11)}, 7, 9)};
  EXPECT_EQ(decide({}, outcomes).kind, Kind::restart);
  outcomes.push_back(attempt(3, {killed(1, 11)}, 9, 10));
  const RestartDecision decision = decide({}, outcomes);
  EXPECT_EQ(decision.kind, Kind::give_up);
  EXPECT_EQ(decision.exit_code, kExitSoftware);
  EXPECT_THAT(decision.reason, HasSubstr("3 attempts in a row ended by the same failure at the same step:\n  attempts 1, 2, 3: rank 1"));
  outcomes.back().ends[0].step = 13;
  EXPECT_EQ(decide({}, outcomes).kind, Kind::restart);
}

TEST(RestartPolicy, GoingBackToLeaveSomethingOutIsNoCrashLoop) {
  std::vector<AttemptOutcome> outcomes;
  for (int number = 1; number <= 9; ++number) {
    const std::string error = "update " + std::to_string(number);
    outcomes.push_back(attempt(number, {exited(0, kExitRolledBack, error), exited(1, kExitRolledBack, error)}, 7, 7));
  }
  EXPECT_EQ(decide({}, outcomes).kind, Kind::restart);
  EXPECT_EQ(decide({.max_attempts_without_progress = 1}, outcomes).kind, Kind::restart);
  EXPECT_EQ(decide({.backoff_seconds = 10}, outcomes).delay_seconds, 0);
  for (int number = 10; number <= 12; ++number) outcomes.push_back(attempt(number, {killed(0, 9)}, 7, 7));
  EXPECT_EQ(decide({}, outcomes).kind, Kind::give_up) << "a crash loop after it is one";
}

TEST(RestartPolicy, GoingBackForTheSameAgainAndAgainIsACrashLoop) {
  std::vector<AttemptOutcome> outcomes;
  for (int number = 1; number <= 4; ++number) outcomes.push_back(attempt(number, {exited(0, kExitRolledBack, "update 12")}, 7, 7));
  EXPECT_EQ(decide({}, {outcomes[0], outcomes[1], outcomes[2]}).kind, Kind::restart);
  EXPECT_EQ(decide({}, outcomes).kind, Kind::give_up);
}

TEST(RestartPolicy, AStopThatConcernsTheRunIsNotRestarted) {
  ExitRecord end = exited(0, kExitTemporary, "the Slurm job ends in 60.0 s");
  EXPECT_EQ(decide({}, {attempt(1, {end, exited(1, kExitTemporary)})}).kind, Kind::restart) << "asked of one rank alone";
  end.stops_run = true;
  const RestartDecision decision = decide({}, {attempt(1, {exited(1, kExitTemporary), end})});
  EXPECT_EQ(decision.kind, Kind::stopped);
  EXPECT_EQ(decision.exit_code, kExitTemporary);
  EXPECT_THAT(decision.reason, HasSubstr("the Slurm job ends in 60.0 s"));
  EXPECT_EQ(describe_end(attempt(1, {exited(1, kExitTemporary), end})), "stopped: the Slurm job ends in 60.0 s");
  for (const ExitRecord& other : {killed(1, 9), exited(1, kExitSoftware)})
    EXPECT_EQ(decide({}, {attempt(1, {end, other})}).kind, Kind::stopped) << "it was said when the state was durable on every rank";
  end.signal = 9;
  EXPECT_EQ(decide({}, {attempt(1, {end})}).kind, Kind::stopped) << "killed on its way out";
}

TEST(RestartPolicy, ConcludesWithoutTheEndThatPeopleHaveSeen) {
  EXPECT_EQ(decide({}, {attempt(1, {exited(1, kExitConfiguration, "no such key")})}).conclusion, "starting again cannot help");
  EXPECT_EQ(decide({}, {attempt(1, {exited(1, kExitSoftware)})}).conclusion, "");
}

TEST(RestartPolicy, ShowsTheLastLinesOfARankThatDoesNotSayItselfWhyStartingAgainCannotHelp) {
  ExitRecord end = exited(1, kExitUsage);
  end.last_lines = {"cannot run /nowhere/train"};
  EXPECT_THAT(decide({}, {attempt(1, {end})}).conclusion, HasSubstr("cannot help\nlast lines of rank 1:\n  | cannot run /nowhere/train"));
  end.error = "the options are wrong";
  EXPECT_EQ(decide({}, {attempt(1, {end})}).conclusion, "starting again cannot help");
}

TEST(RestartPolicy, SaysWhatToDoAboutAProgramThatCannotBeLoaded) {
  const RestartDecision decision = decide({}, {attempt(1, {exited(0, 127)})});
  EXPECT_EQ(decision.kind, Kind::give_up);
  EXPECT_EQ(decision.exit_code, 127);
  for (const std::string& told : {decision.reason, decision.conclusion})
    EXPECT_THAT(told, testing::AllOf(HasSubstr("starting again cannot help\n  next: "), HasSubstr("scripts/setup.sh"),
                                     HasSubstr("docs/operations.md")));
}

TEST(CauseOf, IsTheLostDaemonOfMpirunBeforeWhatMpirunKilledForIt) {
  ExitRecord gone{.rank = 0, .host = "a", .is_shim_lost = true}, there = killed(1, 9);
  there.was_killed_by_us = true;
  there.error = kLauncherDied;
  AttemptOutcome outcome = attempt(1, {gone, there});
  EXPECT_EQ(cause_of(outcome)->rank, 1);
  EXPECT_THAT(describe_end(outcome), HasSubstr("the launcher died"));
  outcome.launcher_signal = 9;
  EXPECT_EQ(cause_of(outcome)->rank, 0) << "mpirun itself is gone: that says nothing of the daemon";
  EXPECT_EQ(cause_of(attempt(1, {there, killed(2, 11)}))->rank, 2) << "a rank that died by itself comes first";
}

TEST(CauseOf, IsTheFirstFailureThatIsNoConsequence) {
  const auto cause =
      cause_of(attempt(1, {exited(0, kExitTemporary), killed_by_us(1), exited(2, kExitUnavailable), killed(3, 11), killed(4, 9)}));
  ASSERT_TRUE(cause);
  EXPECT_EQ(cause->rank, 3);
}

TEST(CauseOf, IsTheLostPeerWhereNobodySaysMore) {
  const auto cause = cause_of(attempt(1, {exited(2, kExitUnavailable), exited(0, kExitUnavailable), killed_by_us(1)}));
  ASSERT_TRUE(cause);
  EXPECT_EQ(cause->rank, 2);
}

TEST(CauseOf, IsALostShimThoughItsRecordSaysNothingElse) { EXPECT_TRUE(cause_of(attempt(1, {exited(0, 0), lost_shim(1)}))); }

TEST(CauseOf, IsNothingWhereAllStoppedOrWereToldTo) {
  EXPECT_FALSE(cause_of(attempt(1, {exited(0, kExitTemporary), exited(1, 0), killed_by_us(2)})));
}

TEST(RestartPolicy, IsDoneByTheDoneRecordWhateverTheRanksSay) {
  AttemptOutcome outcome = attempt(1, {killed(1, 11)});
  outcome.is_done = outcome.was_stop_requested = outcome.was_kill_requested = true;
  EXPECT_EQ(decide({}, {outcome}).kind, Kind::done);
  EXPECT_EQ(decide({}, {outcome}).exit_code, kExitOk);
}

TEST(RestartPolicy, IsNotDoneBecauseEveryRankReturnedZero) {
  EXPECT_EQ(decide({}, {attempt(1, {exited(0, 0), exited(1, 0)})}).kind, Kind::restart);
}

TEST(Stop, EndsWith75WhenTheRanksHaveCheckpointed) {
  AttemptOutcome outcome = attempt(1, {exited(0, kExitTemporary), exited(1, kExitTemporary)});
  outcome.reached_step = outcome.durable_after;
  outcome.was_stop_requested = true;
  const RestartDecision decision = decide({}, {outcome});
  EXPECT_EQ(decision.kind, Kind::stopped);
  EXPECT_EQ(decision.exit_code, kExitTemporary);
  EXPECT_EQ(decision.reason, "stopped on request; start it again to go on");
}

TEST(Stop, EndsWith75WithADeadRankTooAndSaysWhereItGoesOn) {
  AttemptOutcome outcome = attempt(1, {killed(1, 9), exited(0, kExitUnavailable)});
  outcome.was_stop_requested = true;
  const RestartDecision decision = decide({}, {outcome});
  EXPECT_EQ(decision.kind, Kind::stopped);
  EXPECT_EQ(decision.exit_code, kExitTemporary);
  EXPECT_THAT(decision.reason, HasSubstr("without a checkpoint of the last step: rank 1 on a: ended by signal 9"));
  EXPECT_THAT(decision.reason, HasSubstr("start it again to go on from step 14"));
}

TEST(Stop, ThatTookTooLongSaysWhatItLost) {
  AttemptOutcome outcome = attempt(1, {killed_by_us(0), killed_by_us(1)});
  outcome.was_stop_requested = true;
  const RestartDecision decision = decide({}, {outcome});
  EXPECT_EQ(decision.exit_code, kExitTemporary);
  EXPECT_THAT(decision.reason, HasSubstr("without a checkpoint of the last step (17)\n  start it again to go on from step 14"));
}

TEST(Stop, OfTheRanksAloneIsAnsweredByAnotherAttemptAndNamed) {
  const RestartDecision decision = decide({}, {attempt(1, {exited(1, kExitTemporary), exited(0, kExitTemporary)})});
  EXPECT_EQ(decision.kind, Kind::restart);
  EXPECT_EQ(decision.reason, "the ranks stopped after a checkpoint, and no rank says who asked for it");
  const RestartDecision told = decide({}, {attempt(1, {exited(0, kExitTemporary), exited(1, kExitTemporary, "a signal asked for it")})});
  EXPECT_EQ(told.reason, "the ranks stopped after a checkpoint: rank 1 was asked to (a signal asked for it), the supervisor was not");
}

TEST(Stop, GoesOnFromStepZeroWhereNothingIsDurable) {
  AttemptOutcome outcome = attempt(1, {killed(1, 9)}, -1, -1);
  outcome.was_stop_requested = true;
  EXPECT_THAT(decide({}, {outcome}).reason, HasSubstr("go on from step 0"));
}

TEST(Stop, OfAHopelessRunKeepsTheCodeThatSaysSo) {
  AttemptOutcome outcome = attempt(1, {exited(1, kExitConfiguration)});
  outcome.was_stop_requested = true;
  EXPECT_EQ(decide({}, {outcome}).exit_code, kExitConfiguration);
}

TEST(Stop, AskedForTwiceEndsWith130) {
  AttemptOutcome outcome = attempt(1, {killed(0, 9)});
  outcome.was_stop_requested = outcome.was_kill_requested = true;
  const RestartDecision decision = decide({}, {outcome});
  EXPECT_EQ(decision.kind, Kind::stopped);
  EXPECT_EQ(decision.exit_code, 130);
}

std::vector<AttemptOutcome> futile_attempts(int count) {
  std::vector<AttemptOutcome> outcomes;
  for (int i = 1; i <= count; ++i) outcomes.push_back(attempt(i, {killed(i % 2, 9)}, 7, 7));
  return outcomes;
}

TEST(CrashLoop, EndsAfterThreeAttemptsWithoutANewDurableStep) {
  EXPECT_EQ(decide({}, futile_attempts(1)).kind, Kind::restart);
  EXPECT_EQ(decide({}, futile_attempts(2)).kind, Kind::restart);
  const RestartDecision decision = decide({}, futile_attempts(3));
  EXPECT_EQ(decision.kind, Kind::give_up);
  EXPECT_EQ(decision.exit_code, kExitSoftware);
}

TEST(CrashLoop, IsBrokenByOneDurableStep) {
  std::vector<AttemptOutcome> outcomes = futile_attempts(2);
  outcomes.push_back(attempt(3, {killed(0, 9)}, 7, 14));
  EXPECT_EQ(decide({}, outcomes).kind, Kind::restart);
  outcomes.push_back(attempt(4, {killed(0, 9)}, 14, 14));
  outcomes.push_back(attempt(5, {killed(0, 9)}, 14, 14));
  EXPECT_EQ(decide({}, outcomes).kind, Kind::restart) << "two in a row are not three";
  outcomes.push_back(attempt(6, {killed(0, 9)}, 14, 14));
  EXPECT_EQ(decide({}, outcomes).kind, Kind::give_up);
}

TEST(CrashLoop, TheFirstCheckpointOfARunIsProgress) {
  std::vector<AttemptOutcome> outcomes = futile_attempts(2);
  for (AttemptOutcome& outcome : outcomes) outcome.durable_before = outcome.durable_after = -1;
  outcomes.push_back(attempt(3, {killed(0, 11)}, -1, 0));
  EXPECT_EQ(decide({}, outcomes).kind, Kind::restart);
}

TEST(CrashLoop, LengthIsAnOption) {
  EXPECT_EQ(decide({.max_attempts_without_progress = 1}, futile_attempts(1)).kind, Kind::give_up);
  EXPECT_EQ(decide({.max_attempts_without_progress = 5}, futile_attempts(4)).kind, Kind::restart);
}

TEST(Diagnosis, NamesEveryFutileAttemptAndQuotesTheLastCause) {
  std::vector<AttemptOutcome> outcomes = {attempt(1, {killed(0, 11)}, -1, 7)};
  for (const AttemptOutcome& futile : futile_attempts(3)) outcomes.push_back(futile);
  for (int i = 0; i < 4; ++i) outcomes[static_cast<std::size_t>(i)].attempt = i + 1;
  outcomes.back().ends[0].last_lines = {"one", "two"};
  outcomes.back().ends[0].error = "out of cheese";
  const std::string reason = decide({}, outcomes).reason;
  EXPECT_THAT(reason, HasSubstr("3 attempts in a row ended without a new durable step:\n  attempt 2: rank 1 on a"));
  EXPECT_THAT(reason, Not(HasSubstr("attempt 1:"))) << "that one made progress";
  EXPECT_THAT(reason, HasSubstr("\n  attempt 4: rank 1 on a: ended by signal 9 (Killed) in section backward of step 12: out of cheese"));
  EXPECT_THAT(reason, HasSubstr("\nlast lines of rank 1:\n  | one\n  | two"));
  EXPECT_THAT(reason, HasSubstr("\n  next: mend what has ended them, and start it again to go on from step 7; "));
}

TEST(Diagnosis, TellsTheSameEndOfSeveralAttemptsOnce) {
  std::vector<AttemptOutcome> outcomes;
  for (int i = 1; i <= 3; ++i) outcomes.push_back(attempt(i, {i == 2 ? killed(0, 9) : exited(1, kExitSoftware, "out of cheese")}, 7, 7));
  outcomes.back().ends[0].last_lines = {"one", "[rank 1] error: out of cheese"};
  const std::string reason = decide({}, outcomes).reason;
  EXPECT_THAT(
      reason,
      HasSubstr("\n  attempts 1, 3: rank 1 on a: exited with code 70 in section forward of step 12: out of cheese\n  attempt 2: rank 0"));
  EXPECT_THAT(reason, HasSubstr("\nlast lines of rank 1:\n  | one\n  next: "));
}

TEST(Diagnosis, SaysThatAShimKilledItsRankAsItsLeaseBroke) {
  ExitRecord end = killed_by_us(1);
  end.error = "the lease on the supervisor broke";
  EXPECT_EQ(describe_end(attempt(1, {killed_by_us(0), end})), "rank 1: the lease on the supervisor broke");
}

TEST(Diagnosis, QuotesMpirunWhereNoRankSaysWhy) {
  AttemptOutcome outcome = attempt(1, {}, 7, 7);
  outcome.launcher_lines = {"no such host"};
  const std::string reason = decide({.max_attempts_without_progress = 1}, {outcome}).reason;
  EXPECT_THAT(reason, HasSubstr("1 attempt ended without a new durable step:"));
  EXPECT_THAT(reason, HasSubstr("mpirun ended without DONE, no rank says why\nlast lines of mpirun:\n  | no such host"));
}

TEST(Diagnosis, NamesTheSignalThatEndedMpirun) {
  AttemptOutcome outcome = attempt(1, {killed_by_us(0)}, 7, 7);
  outcome.launcher_signal = 9;
  EXPECT_EQ(describe_end(outcome), "mpirun was ended by signal 9 (Killed)");
}

TEST(MaxRestarts, CountsRestartsNotAttempts) {
  const RestartOptions options{.max_restarts = 2};
  std::vector<AttemptOutcome> outcomes;
  for (int i = 1; i <= 3; ++i) {
    outcomes.push_back(attempt(i, {killed(0, 9)}, 7 * i, 7 * i + 7));
    EXPECT_EQ(decide(options, outcomes).kind, i <= 2 ? Kind::restart : Kind::give_up) << i;
  }
  const RestartDecision decision = decide(options, outcomes);
  EXPECT_EQ(decision.exit_code, kExitSoftware);
  EXPECT_THAT(decision.reason, HasSubstr("restart.max_restarts (2) is reached; the last cause: rank 0 on a: ended by signal 9"));
}

TEST(Backoff, DoublesWithEveryFutileAttemptAndIsForgottenWithProgress) {
  const RestartOptions options{.max_attempts_without_progress = 10, .backoff_seconds = 1.5};
  EXPECT_EQ(decide(options, {attempt(1, {killed(0, 9)})}).delay_seconds, 0);
  EXPECT_EQ(decide(options, futile_attempts(1)).delay_seconds, 1.5);
  EXPECT_EQ(decide(options, futile_attempts(2)).delay_seconds, 3);
  EXPECT_EQ(decide(options, futile_attempts(3)).delay_seconds, 6);
  std::vector<AttemptOutcome> outcomes = futile_attempts(3);
  outcomes.push_back(attempt(4, {killed(0, 9)}));
  EXPECT_EQ(decide(options, outcomes).delay_seconds, 0);
}

}  // namespace
}  // namespace holdfast
