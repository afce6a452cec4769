// What prune removes, what it never does, and what a cut in the middle of it leaves.
#include "checkpoint/store/prune.h"

#include "stored_run.h"

namespace holdfast {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Key;
using testing::Not;

class Prune : public StoredRun {
 protected:
  std::vector<PruneDecision> plan(const PruneSelection& selection, FileSystem& files) const {
    return plan_prune(take_inventory(files, checkpoints_), selection);
  }
  std::vector<std::int64_t> going(const PruneSelection& selection) {
    std::vector<std::int64_t> steps;
    for (const PruneDecision& decision : plan(selection, files_))
      if (decision.goes) steps.push_back(decision.state.step);
    return steps;
  }
  void run(const PruneSelection& selection) { prune(files_, checkpoints_, plan(selection, files_)); }
  std::string why(const PruneSelection& selection, std::int64_t step) {
    for (const PruneDecision& decision : plan(selection, files_))
      if (decision.state.step == step) return decision.why;
    return "";
  }
  static PruneSelection newest(std::int64_t count) { return {.policy = {{.name = "regular", .every_steps = 1, .limit = count}}}; }
};

TEST_F(Prune, ByTheRunsOwnPolicyRemovesNothingThatItKeeps) {
  save(1, {10, 20, 30, 40}, 3);
  EXPECT_THAT(going(newest(3)), ElementsAre());
}

TEST_F(Prune, ByATighterPolicyRemovesTheStatesAndTheirNames) {
  save(1, {10, 20, 30, 40});
  EXPECT_EQ(why(newest(2), 10), "regular: the newest 2 are kept");
  EXPECT_EQ(why(newest(2), 30), "regular/epoch=0-step=30");
  run(newest(2));
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(30, 40));
  EXPECT_THAT(names(files_), ElementsAre(testing::Pair("regular/epoch=0-step=30", "step-00000030"),
                                         testing::Pair("regular/epoch=0-step=40", "step-00000040")));
  expect_all_sound(files_);
}

TEST_F(Prune, LeavesStatesOfAnEntryThatThePolicyDoesNotHave) {
  save(1, {10, 20, 30});
  EXPECT_THAT(going({.policy = {{.name = "other", .every_steps = 1, .limit = 1}}}), ElementsAre());
  EXPECT_THAT(going({.policy = {{.name = "regular", .every_steps = 1, .monitor = "val_loss", .top_k = 1}}}), ElementsAre())
      << "scores of another metric say nothing of this one";
}

TEST_F(Prune, BySelectionKeepsWhatAnyOptionNames) {
  save(1, {10, 20, 30, 40, 50, 60});
  EXPECT_THAT(going({.keep_last = 2}), ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(going({.keep_every = 20}), ElementsAre(10, 30, 50));
  EXPECT_THAT(going({.keep_last = 2, .keep_every = 40, .keep = {10}}), ElementsAre(20, 30));
}

TEST_F(Prune, NeverRemovesTheNewestTheLastTheResumedOrTheForeign) {
  save(1, {10, 20});
  save(2, {30, 40, 50});
  files_.make_directory(state(35));
  point_name(files_, checkpoints_, {"mine/favourite", "step-00000030"});
  files_.remove_file(checkpoints_ / kLastLink);
  files_.make_link("step-00000040", checkpoints_ / kLastLink);
  const PruneSelection nothing{.keep = {999}};
  EXPECT_THAT(going(nothing), ElementsAre(10, 30));
  EXPECT_EQ(why(nothing, 50), "it is the newest");
  EXPECT_EQ(why(nothing, 40), "`last` points to it");
  EXPECT_EQ(why(nothing, 35), "the newest manifest does not know it");
  EXPECT_EQ(why(nothing, 20), "the run went on from it");
  run(nothing);
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(20, 35, 40, 50));
  EXPECT_THAT(names(files_), Not(Contains(Key("mine/favourite")))) << "a name without a state";
}

TEST_F(Prune, ReliesOnTheNewestWholeStateAndOnTheOneThatSaysWhatIsKept) {
  save(1, {10, 20, 30},
       {{.name = "regular", .every_steps = 1, .limit = -1}, {.name = "light", .every_steps = 1, .limit = -1, .weights_only = true}});
  ASSERT_EQ(take_inventory(files_, checkpoints_).states.back().name, (CheckpointName{30, 0, true})) << "weights alone come last";
  EXPECT_THAT(relied_on(take_inventory(files_, checkpoints_)), ElementsAre(state(30)));
  files_.flip_bit(state(30) / kManifestName, 20);
  EXPECT_THAT(relied_on(take_inventory(files_, checkpoints_)), ElementsAre(state(20), state(30)));
}

TEST_F(Prune, WhatWasPrunedIsNotCountedAgain) {
  save(1, {10, 20, 30, 40});
  run({.keep = {10}});
  ASSERT_THAT(steps_on_disk(files_), ElementsAre(10, 40));
  EXPECT_THAT(going(newest(2)), ElementsAre());
}

TEST_F(Prune, TheRunGoesOnAndItsNamesAreThoseOfWhatIsLeft) {
  save(1, {10, 20, 30, 40});
  run({.keep_last = 2});
  save(2, {50});
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(30, 40, 50));
  EXPECT_EQ(names(files_).size(), 3u);
}

TEST_F(Prune, CutAnywhereLeavesEveryStateSoundOrOutOfSight) {
  save(1, {10, 20, 30, 40});
  const PruneSelection selection{.keep_last = 1};
  const auto change = [&](FileSystem& files) { prune(files, checkpoints_, plan(selection, files)); };
  std::size_t partly = 0;
  const std::size_t cuts = cut_everywhere(change, [&](MemoryFileSystem& files) {
    expect_all_sound(files);
    ASSERT_THAT(steps_on_disk(files), Contains(40));
    partly += steps_on_disk(files).size() < 4;
    change(files);  // once more, to the end
    EXPECT_THAT(steps_on_disk(files), ElementsAre(40));
    EXPECT_EQ(restored_step(files, 2), 40);
    EXPECT_THAT(names(files), ElementsAre(testing::Pair("regular/epoch=0-step=40", "step-00000040")));
    EXPECT_THAT(files.list(checkpoints_), ElementsAre("last", "regular", "step-00000040")) << "the start has swept the rest";
  });
  EXPECT_GT(cuts, 50u);
  EXPECT_GT(partly, 20u);
}

}  // namespace
}  // namespace holdfast
