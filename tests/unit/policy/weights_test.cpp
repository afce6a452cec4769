// Entries that keep weights alone, and which copies of weights a state is saved with.
#include <gmock/gmock.h>

#include "made_up_run.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

CheckpointOptions whole(std::int64_t every, std::int64_t limit) {
  return {.name = "whole", .every_steps = every, .limit = limit, .filename = "{step}"};
}
CheckpointOptions light(std::int64_t every, std::int64_t limit) {
  return {.name = "light", .every_steps = every, .limit = limit, .filename = "{step}", .weights_only = true};
}
std::vector<std::string> names(const std::vector<CheckpointName>& states) {
  std::vector<std::string> names;
  for (const CheckpointName& state : states) names.push_back(directory_name(state));
  return names;
}

TEST(WeightsAlone, AreAnotherDirectoryThanTheStateAndGoApartFromIt) {
  MadeUpRun run({whole(2, 1), light(1, 3)});
  for (int step = 0; step < 5; ++step) run.step();
  EXPECT_THAT(names(run.state().states),
              ElementsAre("weights-00000002", "weights-00000003", "weights-00000004", "step-00000004", "weights-00000005"));
  EXPECT_EQ(directory_name(*run.state().newest), "step-00000004") << "what a run goes on from";
  EXPECT_TRUE(run.decision().weights.writes());
  EXPECT_FALSE(run.decision().whole.saves);
  EXPECT_EQ(run.names(), "light/step=3 light/step=4 light/step=5 whole/step=4");
}

TEST(WeightsAlone, ThatTheNewestStateKnowsStayUntilTheNextOneDoesNot) {
  MadeUpRun run({whole(4, 2), light(1, 1)});
  for (int step = 0; step < 6; ++step) run.step();
  EXPECT_THAT(names(run.state().states), ElementsAre("weights-00000004", "step-00000004", "weights-00000006"))
      << "a run that goes on from step 4 keeps its weights; it does not know of step 5";
  EXPECT_EQ(run.names(), "light/step=6 whole/step=4");
  for (int step = 6; step < 8; ++step) run.step();
  EXPECT_THAT(names(run.state().states), ElementsAre("step-00000004", "weights-00000008", "step-00000008"));
}

TEST(WeightsAlone, ThatAreGoneAreWrittenAgain) {
  MadeUpRun run({whole(2, 2), light(2, -1)});
  for (int step = 0; step < 2; ++step) run.step();
  std::vector<std::string> notes;
  const PolicyState state = take_over(
      run.policy(), {.recorded = run.state(), .resumed = run.state().newest, .other_run = "", .present = {{2, 0}}, .names = {}}, notes);
  EXPECT_EQ(state.newest_weights, std::nullopt);
  Boundary again{.position = {0, 2, 2}, .step = {2, 2, 0, 0, true}};
  EXPECT_TRUE(decide(run.policy(), state, again).weights.writes());
  EXPECT_FALSE(decide(run.policy(), state, again).whole.writes());
}

TEST(WeightsAlone, OfAStateThatWasNotMeantToBeTheNewestAreKnownAfterAResume) {
  MadeUpRun run({whole(2, 2), light(2, -1)});
  for (int step = 0; step < 4; ++step) run.step();
  const std::vector<CheckpointName> before = run.state().states;
  run.resume();
  EXPECT_EQ(run.state().states, before);
  EXPECT_EQ(run.state().newest_weights, (CheckpointName{4, 0, true}));
  run.validate_again(1);
  EXPECT_FALSE(run.decision().saves());
}

TEST(WeightsAlone, AreInTheWayOfARunThatGoesOnFromBeforeThem) {
  PolicyState recorded;
  recorded.states = {{10, 0, true}, {10, 0, false}};
  const CheckpointName resumed{10, 0};
  EXPECT_FALSE(is_later({9, 0, true}, resumed, recorded));
  EXPECT_FALSE(is_later({10, 0, true}, resumed, recorded));
  EXPECT_TRUE(is_later({10, 1, true}, resumed, recorded)) << "saved after the state, which does not know of it";
  EXPECT_TRUE(is_later({11, 0, true}, resumed, recorded));
  EXPECT_TRUE(is_later({10, 1, false}, resumed, recorded));
}

TEST(Transforms, OfAStateAreThoseOfTheEntriesThatSaveItEachOnce) {
  CheckpointOptions first = whole(1, -1), second = whole(2, -1), weights = light(2, -1);
  first.transforms = {"ema"};
  second.name = "second";
  second.transforms = {"bf16", "ema"};
  weights.transforms = {"fp16"};
  MadeUpRun run({first, second, weights});
  run.step();
  EXPECT_THAT(run.decision().whole.transforms, ElementsAre("ema"));
  EXPECT_THAT(run.decision().weights.transforms, IsEmpty());
  run.step();
  EXPECT_THAT(run.decision().whole.transforms, ElementsAre("ema", "bf16"));
  EXPECT_THAT(run.decision().weights.transforms, ElementsAre("fp16"));
}

TEST(Transforms, OfWhatAStopSavesAreThoseOfAllEntries) {
  CheckpointOptions regular = whole(10, -1),
                    best{.name = "best", .after_validation = true, .on_signal = false, .monitor = "val_loss", .top_k = 1};
  best.transforms = {"ema"};
  MadeUpRun run({regular, best});
  run.step();
  run.interrupt(Interruption::signal);
  EXPECT_THAT(run.decision().whole.transforms, ElementsAre("ema")) << "the validation that is made up for names this state";
  run.resume();
  run.validate_again(1);
  EXPECT_TRUE(run.decision().saves());
  EXPECT_FALSE(run.decision().writes());
}

}  // namespace
}  // namespace holdfast
