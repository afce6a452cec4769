#include <gmock/gmock.h>

#include "tests/unit/policy/made_up_run.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const CheckpointOptions kEntry{.name = "a", .every_steps = 1, .at_end = false, .monitor = "val_loss", .top_k = 2, .filename = "{epoch}"};

TEST(TakeOver, ForgetsWhatIsNoLongerThere) {
  MadeUpRun run({kEntry});
  run.step(2);
  run.step(1);
  std::vector<std::string> notes;
  const std::optional<PolicyState> recorded = run.state();
  const PolicyState state = take_over(
      run.policy(), {.recorded = recorded, .resumed = CheckpointName{2, 0}, .other_run = "", .present = {{2, 0}}, .names = {}}, notes);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("a/epoch=0 is gone with step-00000001")));
  EXPECT_EQ(state.links().size(), 1u);
  EXPECT_THAT(state.states, ElementsAre(CheckpointName{2, 0}));
}

TEST(TakeOver, LeavesNamesAndStatesOfOthersAlone) {
  std::vector<std::string> notes;
  const std::optional<PolicyState> nothing;
  PolicyState state =
      take_over({kEntry}, {.recorded = nothing, .resumed = {}, .other_run = "", .present = {{1, 0}}, .names = {{"a", {"epoch=0"}}}}, notes);
  const Boundary first{.position = {0, 1, 1}, .step = {0, 1, 0, 0, false}, .has_validated = true, .metrics = {{"val_loss", 1}}};
  const Decision decision = decide({kEntry}, state, first);
  EXPECT_EQ(decision.whole.name, (CheckpointName{1, 1})) << "step-1 is somebody else's";
  EXPECT_EQ(decision.entries.at(0).names, std::vector<std::string>{"epoch=0-v1"});
  EXPECT_THAT(decision.next.states, ElementsAre(CheckpointName{1, 1}));
  EXPECT_THAT(decision.next.retiring, IsEmpty());
}

TEST(TakeOver, OfAnotherRunRemembersItsBestOnly) {
  MadeUpRun run({kEntry});
  run.step(0.5);
  std::vector<std::string> notes;
  const std::optional<PolicyState> recorded = run.state();
  PolicyState state = take_over({kEntry}, {.recorded = recorded, .resumed = {}, .other_run = "other", .present = {}, .names = {}}, notes);
  EXPECT_EQ(state.entries.at(0).inherited_best, "other/a/epoch=0");
  EXPECT_THAT(state.states, IsEmpty());
  const Boundary next{.position = {1, 2, 2}, .step = {1, 2, 0, 0, false}, .has_validated = true, .metrics = {{"val_loss", 0.9}}};
  state = decide({kEntry}, state, next).next;
  EXPECT_EQ(state.entries.at(0).inherited_best, "");
}

TEST(TakeOver, FinishesWhatAKillHasLeftToBeRemoved) {
  CheckpointOptions newest{.name = "a", .every_steps = 1, .at_end = false, .limit = 1};
  MadeUpRun run({newest});
  run.step();
  run.step();
  std::vector<std::string> notes;
  const std::optional<PolicyState> recorded = run.state();
  const PolicyState state = take_over(
      {newest}, {.recorded = recorded, .resumed = CheckpointName{2, 0}, .other_run = "", .present = {{1, 0}, {2, 0}}, .names = {}}, notes);
  EXPECT_THAT(state.retiring, ElementsAre(CheckpointName{1, 0}));
  EXPECT_THAT(state.foreign_states, IsEmpty());
}

}  // namespace
}  // namespace holdfast
