#include "launch/supervision.h"

#include <gmock/gmock.h>

#include "tests/unit/launch/outcomes.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string name_of(const Action& action) {
  struct Names {
    std::string operator()(const action::Launch& launch) { return "launch " + std::to_string(launch.attempt); }
    std::string operator()(const action::TellStop&) { return "tell stop"; }
    std::string operator()(const action::TakeStacks&) { return "take stacks"; }
    std::string operator()(const action::TellKill&) { return "tell kill"; }
    std::string operator()(const action::ForceKill&) { return "force kill"; }
    std::string operator()(const action::StartGraceTimer&) { return "grace timer"; }
    std::string operator()(const action::StartStackTimer&) { return "stack timer"; }
    std::string operator()(const action::StartKillTimer&) { return "kill timer"; }
    std::string operator()(const action::StartDelay&) { return "delay"; }
    std::string operator()(const action::Journal& journal) { return "journal " + journal.event; }
    std::string operator()(const action::Finish& finish) { return "finish " + std::to_string(finish.decision.exit_code); }
  };
  return std::visit(Names{}, action);
}

class SupervisionTest : public testing::Test {
 protected:
  std::vector<std::string> on(const Event& event) {
    std::vector<std::string> names;
    for (const Action& action : supervision_.on(event)) names.push_back(name_of(action));
    return names;
  }
  /// Two ranks run in attempt 5.
  void start() {
    on(event::Start{7});
    for (const int rank : {0, 1}) on(event::RankJoined{rank});
  }
  static event::AllGone all_gone(std::int64_t durable, bool is_done = false) {
    return {.is_done = is_done, .durable_step = durable, .reached_step = durable + 2};
  }
  Supervision supervision_{RestartOptions{}, 2, 5};
};

TEST_F(SupervisionTest, WritesDownTheAttemptBeforeItStartsIt) {
  EXPECT_THAT(on(event::Start{7}), ElementsAre("journal attempt_started", "launch 5"));
}

TEST_F(SupervisionTest, HasToHaveOnTheDiskAtOnceOnlyWhatItActsUpon) {
  constexpr int kRanks = 100;
  Supervision supervision{RestartOptions{}, kRanks, 1};
  std::vector<std::string> at_once;
  int waiting = 0;
  const auto take = [&](const Event& event) {
    for (const Action& action : supervision.on(event))
      if (const auto* line = std::get_if<action::Journal>(&action)) line->can_wait ? void(++waiting) : at_once.push_back(line->event);
  };
  take(event::Start{7});
  for (int rank = 0; rank < kRanks; ++rank) take(event::RankEnded{exited(rank, kExitUnavailable)});
  take(all_gone(14));
  EXPECT_THAT(at_once, ElementsAre("attempt_started", "rank_lost", "rank_lost", "attempt_ended", "restart"))
      << "the first starts the timer, the second has the others killed";
  EXPECT_EQ(waiting, kRanks - 2);
}

TEST_F(SupervisionTest, ADeadRankEndsTheOthersAndTheNextAttemptGoesOn) {
  start();
  EXPECT_THAT(on(event::RankEnded{killed(1, 9)}), ElementsAre("journal rank_lost", "tell kill", "kill timer"));
  EXPECT_THAT(on(event::RankEnded{killed_by_us(0)}), IsEmpty());
  EXPECT_THAT(on(event::LauncherEnded{0}), IsEmpty());
  EXPECT_THAT(on(all_gone(14)), ElementsAre("journal attempt_ended", "journal restart", "delay"));
  EXPECT_THAT(on(event::DelayOver{}), ElementsAre("journal attempt_started", "launch 6"));
}

TEST_F(SupervisionTest, TheEndOfAnAttemptSaysWhatWasDecided) {
  const auto decision = [](const std::vector<Action>& actions) {
    return std::get<action::Journal>(actions.at(0)).fields.at("decision").get<std::string>();
  };
  const auto end_ranks = [this](const ExitRecord& of_rank_1) {
    on(event::RankEnded{of_rank_1});
    on(event::RankEnded{killed_by_us(0)});
  };
  start();
  end_ranks(killed(1, 9));
  EXPECT_EQ(decision(supervision_.on(all_gone(14))), "restart");
  on(event::DelayOver{});
  end_ranks(killed(1, 9));
  EXPECT_EQ(decision(supervision_.on(all_gone(40, true))), "done");
  supervision_ = Supervision{RestartOptions{}, 2, 5};
  start();
  on(event::StopSignal{});
  for (const int rank : {0, 1}) on(event::RankEnded{{.rank = rank, .exit_code = 75}});
  EXPECT_EQ(decision(supervision_.on(all_gone(14))), "stopped");
  supervision_ = Supervision{RestartOptions{}, 2, 5};
  start();
  end_ranks({.rank = 1, .exit_code = 78});
  EXPECT_EQ(decision(supervision_.on(all_gone(14))), "gave_up");
}

TEST_F(SupervisionTest, ProgressCountsFromWhereTheAttemptResumed) {
  start();
  EXPECT_THAT(on(event::Resumed{-1}), ElementsAre("journal resumed"));  // `resume: none` over a run that had reached 7
  EXPECT_THAT(on(event::Resumed{-1}), IsEmpty());
  on(event::RankEnded{killed(1, 9)});
  on(event::RankEnded{killed_by_us(0)});
  on(all_gone(3));
  EXPECT_EQ(supervision_.outcomes().back().durable_before, -1);
  EXPECT_EQ(supervision_.outcomes().back().durable_after, 3);
  EXPECT_TRUE(supervision_.outcomes().back().has_resumed);
  on(event::DelayOver{});
  on(event::RankEnded{exited(0, kExitConfiguration)});
  on(all_gone(3));
  EXPECT_FALSE(supervision_.outcomes().back().has_resumed);
}

TEST_F(SupervisionTest, AFinishedRunEndsWith0) {
  start();
  EXPECT_THAT(on(event::RankEnded{exited(0, 0)}), IsEmpty());
  EXPECT_THAT(on(event::RankEnded{exited(1, 0)}), ElementsAre("tell kill", "kill timer"));
  EXPECT_THAT(on(all_gone(40, true)), ElementsAre("journal attempt_ended", "finish 0"));
  EXPECT_EQ(supervision_.phase(), Supervision::Phase::over);
  EXPECT_THAT(on(event::StopSignal{}), IsEmpty()) << "over is over";
}

TEST_F(SupervisionTest, ARankThatLostItsPeerWaitsForThePeersOwnRecord) {
  start();
  EXPECT_THAT(on(event::RankEnded{exited(0, kExitUnavailable)}), ElementsAre("journal rank_lost", "kill timer"));
  EXPECT_THAT(on(event::RankEnded{killed(1, 11)}), ElementsAre("journal rank_lost", "tell kill", "kill timer"));
  on(all_gone(14));
  EXPECT_EQ(cause_of(supervision_.outcomes().back())->rank, 1);
}

TEST_F(SupervisionTest, APeerThatSaysNothingInTimeIsKilled) {
  start();
  on(event::RankEnded{exited(0, kExitUnavailable)});
  EXPECT_THAT(on(event::KillDeadline{}), ElementsAre("tell kill", "kill timer"));
  EXPECT_THAT(on(event::KillDeadline{}), ElementsAre("force kill"));
}

TEST_F(SupervisionTest, ALostShimIsAFailureUnlessTheAttemptEndsAnyway) {
  start();
  EXPECT_THAT(on(event::ShimLost{1, "a"}), ElementsAre("journal rank_lost", "tell kill", "kill timer"));
  EXPECT_THAT(on(event::ShimLost{0, "a"}), IsEmpty()) << "it was told to kill";
}

TEST_F(SupervisionTest, TheEndOfMpirunEndsTheAttemptAndIsWrittenDown) {
  start();
  EXPECT_THAT(on(event::LauncherEnded{9}), ElementsAre("journal launcher_ended", "tell kill", "kill timer"));
  on(all_gone(14));
  EXPECT_EQ(supervision_.outcomes().back().launcher_signal, 9);
}

TEST_F(SupervisionTest, AStopIsToldOnceAndTheSecondKills) {
  start();
  EXPECT_THAT(on(event::StopSignal{}), ElementsAre("journal stop_requested", "tell stop", "grace timer"));
  EXPECT_THAT(on(event::StopSignal{}), ElementsAre("journal kill_requested", "tell kill", "force kill"));
  EXPECT_THAT(on(all_gone(14)), ElementsAre("journal attempt_ended", "finish 130"));
}

TEST_F(SupervisionTest, AStopThatTakesTooLongKillsAndEndsWith75) {
  start();
  on(event::StopSignal{});
  EXPECT_THAT(on(event::GraceExpired{}), ElementsAre("journal stop_took_too_long", "tell kill", "kill timer"));
  EXPECT_THAT(on(all_gone(14)), ElementsAre("journal attempt_ended", "finish 75"));
}

TEST_F(SupervisionTest, AStopBetweenTwoAttemptsEndsAtOnce) {
  start();
  on(event::RankEnded{killed(1, 9)});
  on(all_gone(14));
  EXPECT_THAT(on(event::StopSignal{}), ElementsAre("journal stop_requested", "finish 75"));
  EXPECT_THAT(on(event::DelayOver{}), IsEmpty());
}

TEST_F(SupervisionTest, ARankThatJoinsLateHearsWhatTheOthersWereTold) {
  on(event::Start{7});
  on(event::StopSignal{});
  EXPECT_THAT(on(event::RankJoined{0}), ElementsAre("tell stop"));
  on(event::RankEnded{killed(0, 9)});
  EXPECT_THAT(on(event::RankJoined{1}), ElementsAre("tell kill"));
}

TEST_F(SupervisionTest, AHangIsWrittenDownWithItsStacksBeforeTheRanksAreKilled) {
  start();
  const Hang hang{.culprits = {{.rank = 1, .pulse = {.section = Section::backward, .step = 12, .global_step = 11, .collectives = 40}}},
                  .waiters = {0},
                  .deadline_seconds = 5};
  EXPECT_THAT(on(event::Hung{hang}), ElementsAre("journal hang", "take stacks", "stack timer"));
  EXPECT_THAT(on(event::Hung{hang}), IsEmpty());
  EXPECT_THAT(on(event::StackTaken{0, {"R (running)", "MPI_Allreduce", "a"}}), IsEmpty());
  EXPECT_THAT(on(event::StackTaken{1, {"T (stopped)", "matmul < forward", "b"}}), ElementsAre("tell kill", "kill timer"));
  EXPECT_THAT(on(event::StackDeadline{}), IsEmpty());
  for (const int rank : {0, 1}) on(event::RankEnded{killed_by_us(rank)});
  on(all_gone(7));
  const std::optional<ExitRecord> cause = cause_of(supervision_.outcomes().back());
  ASSERT_TRUE(cause);
  EXPECT_EQ(describe(*cause),
            "rank 1 on a: hung in section backward of step 12: no sign of life for 0.0 s (deadline 5.0 s), outside any "
            "collective; rank 0 waits for it; its process was T (stopped), in matmul < forward; all stacks: b");
}

TEST_F(SupervisionTest, OfRanksInsideTheSameCollectiveTheStoppedOneIsNamed) {
  start();
  const RankPulse inside{.section = Section::reduce, .step = 12, .collectives = 40, .is_inside_collective = true};
  on(event::Hung{{.culprits = {{.rank = 0, .pulse = inside}, {.rank = 1, .pulse = inside}}}});
  on(event::StackTaken{0, {"R (running)", "opal_progress", "a"}});
  on(event::StackTaken{1, {"T (stopped)", "opal_progress", "b"}});
}

TEST_F(SupervisionTest, ALostHostExplainsTheEndsOfItsRanksAndWhatFollowedFromThem) {
  start();
  EXPECT_THAT(on(event::RankEnded{exited(0, kExitUnavailable)}), ElementsAre("journal rank_lost", "kill timer"));
  EXPECT_THAT(on(event::ShimSilent{1, "b", 5.5}), ElementsAre("journal rank_lost", "tell kill", "kill timer"));
  EXPECT_THAT(on(event::HostLost{"b", {1}, "nothing was heard from it for 5.5 s"}), ElementsAre("journal host_lost"));
  on(all_gone(14));
  EXPECT_EQ(describe(*cause_of(supervision_.outcomes().back())),
            "rank 1 on b: host b is lost with rank 1: nothing was heard from it for 5.5 s");
}

TEST_F(SupervisionTest, ASilentShimEndsTheAttemptBeforeItsHostIsAskedFor) {
  start();
  EXPECT_THAT(on(event::ShimSilent{1, "b", 5.5}), ElementsAre("journal rank_lost", "tell kill", "kill timer"));
  EXPECT_THAT(on(event::HostLost{"b", {1}, "it does not answer"}), ElementsAre("journal host_lost"));
}

TEST_F(SupervisionTest, AHostThatNeverCalledIsACauseToo) {
  on(event::Start{7});
  on(event::RankJoined{0});
  EXPECT_THAT(on(event::HostLost{"b", {1}, "none of its ranks has called"}), ElementsAre("journal host_lost", "tell kill", "kill timer"));
  on(all_gone(7));
  EXPECT_EQ(cause_of(supervision_.outcomes().back())->rank, 1);
}

TEST_F(SupervisionTest, StacksThatCannotBeTakenHoldNothingUp) {
  start();
  on(event::Hung{{.culprits = {{.rank = 0, .has_joined = false}}}});
  EXPECT_THAT(on(event::StackDeadline{}), ElementsAre("tell kill", "kill timer"));
  on(all_gone(7));
  EXPECT_TRUE(cause_of(supervision_.outcomes().back())->is_hung);
}

TEST_F(SupervisionTest, TheNextAttemptHasTheRanksThatWerePlaced) {
  start();
  on(event::RankEnded{killed(1, 9)});
  on(event::RankEnded{killed_by_us(0)});
  on(all_gone(14));
  EXPECT_THAT(on(event::Placed{1, {{{"host", "a"}, {"ranks", 1}}}}), IsEmpty());
  on(event::DelayOver{});
  EXPECT_THAT(on(event::RankEnded{exited(0, 0)}), ElementsAre("tell kill", "kill timer")) << "one rank is all of them";
}

TEST_F(SupervisionTest, TooFewHostsEndTheRunWith69) {
  start();
  on(event::RankEnded{killed(1, 9)});
  on(all_gone(14));
  EXPECT_THAT(on(event::TooFewHosts{"too few"}), ElementsAre("finish 69"));
  EXPECT_THAT(on(event::DelayOver{}), IsEmpty());
}

TEST_F(SupervisionTest, ASecondRecordOfARankChangesNothing) {
  start();
  on(event::RankEnded{killed(1, 9)});
  EXPECT_THAT(on(event::RankEnded{killed(1, 11)}), IsEmpty());
  on(all_gone(14));
  EXPECT_EQ(supervision_.outcomes().back().ends.size(), 1u);
}

}  // namespace
}  // namespace holdfast
