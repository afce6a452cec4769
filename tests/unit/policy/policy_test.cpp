#include "checkpoint/policy/policy.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/unit/policy/made_up_run.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CheckpointOptions newest(std::int64_t limit) { return {.name = "a", .every_steps = 1, .at_end = false, .limit = limit}; }

CheckpointOptions best(std::int64_t k) {
  return {.name = "a", .after_validation = true, .at_end = false, .monitor = "val_loss", .top_k = k, .filename = "{step}"};
}

TEST(Retention, KeepsTheNewestOfAnEntry) {
  MadeUpRun run({newest(2)});
  for (int i = 0; i < 4; ++i) run.step();
  EXPECT_THAT(run.states(), ElementsAre(3, 4));
}

TEST(Retention, KeepsAllWhenToldSo) {
  for (const std::int64_t all : {0, -1}) {
    MadeUpRun run({newest(all)});
    for (int i = 0; i < 4; ++i) run.step();
    EXPECT_THAT(run.states(), ElementsAre(1, 2, 3, 4));
  }
}

TEST(Retention, KeepsAStateWhileAnyEntryDoes) {
  CheckpointOptions rare = newest(1);
  rare.name = "rare";
  rare.every_steps = 3;
  MadeUpRun run({newest(1), rare});
  for (int i = 0; i < 5; ++i) run.step();
  EXPECT_THAT(run.states(), ElementsAre(3, 5));
  EXPECT_EQ(run.names(), "a/epoch=0-step=5 rare/epoch=0-step=3");
}

TEST(Retention, KeepsTheStepWeRestoredFrom) {
  MadeUpRun run({newest(1)});
  run.step();
  run.resume();
  run.step();
  run.step();
  EXPECT_THAT(run.states(), ElementsAre(1, 3));
  EXPECT_EQ(run.names(), "a/epoch=0-step=1 a/epoch=0-step=3");
  run.resume();
  run.step();
  EXPECT_THAT(run.states(), ElementsAre(3, 4)) << "it is no longer what the run goes on from";
}

TEST(Retention, KeepsStatesOfEntriesThatTheConfigurationNoLongerHas) {
  MadeUpRun run({newest(1)});
  run.step();
  CheckpointOptions other = newest(1);
  other.name = "other";
  run.resume({other});
  for (int i = 0; i < 2; ++i) run.step();
  run.resume({other});
  for (int i = 0; i < 2; ++i) run.step();
  run.resume({other});
  run.step();
  run.step();
  EXPECT_EQ(run.names(), "a/epoch=0-step=1 other/epoch=0-step=5 other/epoch=0-step=7");
}

TEST(Retention, KeepsTheBestAmongTheNewest) {
  CheckpointOptions entry = newest(2);
  entry.monitor = "val_loss";
  MadeUpRun run({entry});
  for (const double loss : {3.0, 1.0, 2.0, 5.0, 4.0}) run.step(loss);
  EXPECT_THAT(run.states(), ElementsAre(2, 5));
  run.step(std::nan(""));
  EXPECT_THAT(run.states(), ElementsAre(2, 6)) << "the newest, though it was not measured well";
  run.step(0.5);
  EXPECT_THAT(run.states(), ElementsAre(6, 7));
}

TEST(Retention, OfOneKeepsTheLatestAndTheBestBesideIt) {
  CheckpointOptions entry = newest(1);
  entry.monitor = "val_loss";
  MadeUpRun run({entry});
  for (const double loss : {1.0, 2.0, 3.0}) run.step(loss);
  EXPECT_THAT(run.states(), ElementsAre(1, 3));
}

TEST(TopK, DoesNotSaveWhatIsNotAmongTheBest) {
  MadeUpRun run({best(2)});
  for (const double loss : {5.0, 4.0, 6.0, 4.5, 4.5}) run.step(loss);
  EXPECT_EQ(run.names(), "a/step=2 a/step=4") << "a tie with the worst does not replace it";
  EXPECT_THAT(run.decision().entries.at(0).why, HasSubstr("val_loss 4.5 is not among the best 2 (better than 4.5)"));
  EXPECT_FALSE(run.decision().saves());
}

TEST(TopK, TakesNanForTheWorstAndNeverForTheBest) {
  MadeUpRun run({best(2)});
  run.step(std::nan(""));
  EXPECT_EQ(best_of(run.policy()[0], run.entry("a")), nullptr);
  run.step(3);
  run.step(2);
  EXPECT_EQ(run.names(), "a/step=2 a/step=3");
}

TEST(TopK, WaitsForAMeasurementInsteadOfTakingAnOldOne) {
  CheckpointOptions entry = best(2);
  entry.after_validation = false;
  entry.every_steps = 2;
  MadeUpRun run({entry});
  run.step(1.0);
  run.step();
  EXPECT_TRUE(run.decision().entries.at(0).is_warning);
  EXPECT_THAT(run.decision().entries.at(0).why, HasSubstr("val_loss has not been measured at this state"));
  EXPECT_EQ(run.names(), "");
  run.step(0.5);
  EXPECT_EQ(run.names(), "a/step=3");
}

TEST(TopK, OfASmallerNumberThanBeforeTrimsToIt) {
  MadeUpRun run({best(3)});
  for (const double loss : {5.0, 4.0, 3.0}) run.step(loss);
  run.resume({best(1)});
  run.step(3.5);
  EXPECT_THAT(run.states(), ElementsAre(1, 2, 3)) << "not better than the best one: nothing is saved, and nothing removed";
  run.step(2);
  EXPECT_EQ(run.names(), "a/step=3 a/step=5") << "step 3 is what the run went on from";
}

TEST(TopK, StartsAnewForAnotherMetric) {
  MadeUpRun run({best(1)});
  run.step(1.0);
  CheckpointOptions other = best(1);
  other.monitor = "val_accuracy";
  other.mode = Mode::max;
  run.resume({other});
  EXPECT_THAT(run.notes(), ElementsAre("a has ranked by the smallest val_loss before, and ranks by the largest val_accuracy now: its best "
                                       "starts anew"));
  run.step({{"val_accuracy", 0.1}});
  EXPECT_EQ(run.names(), "a/step=1 a/step=2");
}

TEST(TopK, StartsAnewForOtherWeights) {
  MadeUpRun run({best(1)});
  run.step(1.0);
  const EntryState before = run.entry("a");
  CheckpointOptions other = best(1);
  other.measured_weights = "ema";
  ASSERT_NE(best_of(best(1), before), nullptr);
  EXPECT_EQ(best_of(other, before), nullptr) << "what the model scored says nothing of its average";
  run.resume({other});
  EXPECT_THAT(run.notes(), ElementsAre(HasSubstr("ranks by the smallest val_loss of ema now: its best starts anew")));
  EXPECT_EQ(best_of(other, run.entry("a")), nullptr);
  run.step(2.0);
  EXPECT_EQ(best_of(other, run.entry("a"))->name, "step=2") << "worse than 1.0 was, which was of something else";
  run.resume({other});
  EXPECT_THAT(run.notes(), IsEmpty());
  EXPECT_EQ(best_of(other, run.entry("a"))->score, 2.0);
}

TEST(Names, GetASuffixWhenAnotherStateHasThem) {
  CheckpointOptions entry = newest(-1);
  entry.filename = "{epoch}";
  MadeUpRun run({entry});
  for (int i = 0; i < 3; ++i) run.step();
  EXPECT_EQ(run.names(), "a/epoch=0 a/epoch=0-v1 a/epoch=0-v2");
}

TEST(Names, AreTakenFromWhatGoes) {
  CheckpointOptions entry = best(2);
  entry.filename = "foo";
  MadeUpRun run({entry});
  for (const double loss : {5.0, 4.0, 3.0}) run.step(loss);
  EXPECT_EQ(run.names(), "a/foo a/foo-v1");
  EXPECT_EQ(run.state().links().at("a/foo").step, 3);
}

TEST(Names, OfALastStateFollowTheNewest) {
  CheckpointOptions entry = best(1);
  entry.save_last = true;
  entry.last_filename = "{epoch}-last";
  MadeUpRun run({entry});
  run.step(1.0);
  run.end_epoch();
  run.step(2.0);
  EXPECT_EQ(run.names(), "a/epoch=1-last a/step=1");
  EXPECT_EQ(run.state().links().at("a/epoch=1-last").step, 2);
}

TEST(Dedupe, GoesByThePositionNotByTheStepAlone) {
  CheckpointOptions entry = newest(-1);
  entry.every_steps.reset();
  entry.every_epochs = 1;
  MadeUpRun run({entry});
  run.batch_without_update();
  run.end_epoch();
  run.batch_without_update();
  run.end_epoch();
  EXPECT_EQ(run.names(), "a/epoch=0-step=0 a/epoch=1-step=0");
  EXPECT_EQ(run.state().links().at("a/epoch=1-step=0"), (CheckpointName{0, 1})) << "another state at the same step";
}

TEST(Dedupe, NamesAStateThatIsThereWithoutWritingItAgain) {
  MadeUpRun run({newest(2), best(1)});
  run.policy()[1].name = "best";
  run.step();
  run.resume();
  run.validate_again(0.5);  // what the run owed when it was stopped
  EXPECT_TRUE(run.decision().saves());
  EXPECT_FALSE(run.decision().whole.is_new);
  EXPECT_EQ(run.names(), "a/epoch=0-step=1 best/step=1");
}

TEST(Interruption, SavesUnderANameOfItsOwn) {
  CheckpointOptions entry = best(1);
  entry.filename = "best";
  entry.on_exception = true;
  MadeUpRun run({entry});
  run.step(0.5);
  run.interrupt(Interruption::exception);
  EXPECT_EQ(run.names(), "a/best") << "this very state is there";
  run.step();
  run.interrupt(Interruption::exception);
  EXPECT_EQ(run.names(), "a/best a/exception-epoch=0-step=2");
  run.resume();
  run.step();
  run.interrupt(Interruption::signal);
  run.resume();
  run.step();
  run.interrupt(Interruption::signal);
  EXPECT_EQ(run.names(), "a/best a/exception-epoch=0-step=2 a/signal-epoch=0-step=4") << "the newest of each kind";
}

TEST(End, IsKeptWhateverItsMetricSays) {
  CheckpointOptions entry = best(1);
  entry.at_end = true;
  MadeUpRun run({entry});
  run.step(1.0);
  run.last_step(2.0);
  EXPECT_EQ(run.names(), "a/step=1 a/step=2");
  EXPECT_EQ(best_of(entry, run.entry("a"))->state.step, 1);
}

TEST(End, IsTheLastEvenWithoutATrigger) {
  CheckpointOptions entry = newest(1);
  entry.every_steps = 100;
  MadeUpRun without({entry});
  without.last_step();
  EXPECT_EQ(without.names(), "");
  entry.save_last = true;
  MadeUpRun with({entry});
  with.last_step();
  EXPECT_EQ(with.names(), "a/last");
}

TEST(OnlyBest, LeavesTheEndOfARunWithoutAFiniteValue) {
  CheckpointOptions entry = newest(-1);
  entry.monitor = "val_loss";
  entry.only_best = true;
  MadeUpRun run({entry});
  run.step(std::nan(""));
  EXPECT_THAT(run.states(), IsEmpty());
  run.last_step(std::nan(""));
  EXPECT_EQ(run.names(), "a/epoch=0-step=2");
}

TEST(Minutes, CountFromTheLastTimeThatTheEntryAsked) {
  CheckpointOptions entry = newest(-1);
  entry.every_steps.reset();
  entry.every_minutes = 10;
  MadeUpRun run({entry});
  EXPECT_FALSE(is_time_up(run.policy(), run.state(), 9.9));
  EXPECT_TRUE(is_time_up(run.policy(), run.state(), 10));
  for (const double minutes : {9.0, 12.0, 21.0, 22.0}) {
    run.at(minutes);
    run.step();
  }
  EXPECT_THAT(run.states(), ElementsAre(2, 4));
}

TEST(MaySave, IsTrueWheneverADecisionSaves) {
  CheckpointOptions entry = best(1);
  entry.after_validation = false;
  entry.every_steps = 4;
  EXPECT_FALSE(may_save({entry}, {.step = {2, 3, 0, 0, false}}, false));
  EXPECT_TRUE(may_save({entry}, {.step = {3, 4, 0, 0, false}}, false));
  EXPECT_TRUE(may_save({entry}, {.step = {4, 5, 0, 0, false}, .has_validated = true}, false)) << "it may have waited";
  EXPECT_TRUE(may_save({entry}, {.step = {2, 3, 0, 0, false}}, true));
  EXPECT_TRUE(may_save({entry}, {.step = {2, 3, 0, 0, true}}, false));
  EXPECT_FALSE(may_save({}, {.step = {2, 3, 0, 0, true}}, true));
  EXPECT_FALSE(may_save({newest(1)}, {.step = {4, 4, 0, 0, false}, .has_validated = true}, false));
}

}  // namespace
}  // namespace holdfast
