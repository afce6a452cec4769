// What repair removes and makes again, that it touches no state, and what a cut in the middle of it leaves.
#include "checkpoint/store/repair.h"

#include "stored_run.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class Repair : public StoredRun {
 protected:
  /// Everything that kills can leave, and what a careless hand does.
  void break_things() {
    save(1, {10, 20, 30});
    for (const char* name : {"step-00000040.pending-1", "step-00000005.deleting"}) {
      files_.make_directory(checkpoints_ / name);
      files_.create(checkpoints_ / name / "shard-00000-of-00002.h5");
    }
    files_.make_link("step-00000030", checkpoints_ / "last.pending");
    files_.make_link("../step-00000030", checkpoints_ / "regular/.pending");
    files_.remove_file(checkpoints_ / "regular/epoch=0-step=10");
    files_.remove_file(checkpoints_ / "regular/epoch=0-step=20");
    files_.make_link("../step-00000010", checkpoints_ / "regular/epoch=0-step=20");  // another state's
    files_.make_link("../step-00000007", checkpoints_ / "regular/epoch=0-step=7");   // of a state that is gone
    files_.remove_file(checkpoints_ / kLastLink);
    files_.make_link("step-00000020", checkpoints_ / kLastLink);
  }
  void expect_repaired(FileSystem& files) const {
    EXPECT_THAT(files.list(checkpoints_), ElementsAre("last", "regular", "step-00000010", "step-00000020", "step-00000030"));
    EXPECT_THAT(names(files),
                ElementsAre(Pair("regular/epoch=0-step=10", "step-00000010"), Pair("regular/epoch=0-step=20", "step-00000020"),
                            Pair("regular/epoch=0-step=30", "step-00000030")));
    EXPECT_THAT(list_unfinished_names(files, checkpoints_), IsEmpty());
    EXPECT_EQ(files.read_link(checkpoints_ / kLastLink), "step-00000030");
    expect_all_sound(files);
  }
};

TEST_F(Repair, OfADirectoryInOrderDoesNothing) {
  save(1, {10, 20, 30}, 2);
  EXPECT_TRUE(plan_repair(files_, checkpoints_).is_empty());
}

TEST_F(Repair, RemovesWhatWasNeverCommittedAndMakesTheNamesAgain) {
  break_things();
  const RepairPlan plan = plan_repair(files_, checkpoints_);
  EXPECT_THAT(plan.leftovers,
              UnorderedElementsAre("step-00000040.pending-1", "step-00000005.deleting", "last.pending", "regular/.pending"));
  EXPECT_THAT(plan.wrong_names, ElementsAre("regular/epoch=0-step=7"));
  EXPECT_EQ(plan.names.size(), 2u);
  repair(files_, checkpoints_, plan);
  expect_repaired(files_);
  EXPECT_TRUE(plan_repair(files_, checkpoints_).is_empty());
}

TEST_F(Repair, LeavesStrangersAndTheirNamesAlone) {
  save(1, {10, 20});
  files_.make_directory(state(15));
  files_.make_directory(checkpoints_ / "notes");
  files_.create(checkpoints_ / "notes/today.txt");
  point_name(files_, checkpoints_, {"mine/favourite", "step-00000015"});
  point_name(files_, checkpoints_, {"mine/aside", "abandoned-2/step-00000030"});
  EXPECT_TRUE(plan_repair(files_, checkpoints_).is_empty());
}

TEST_F(Repair, MakesNoNameOfAStateThatIsGone) {
  save(1, {10, 20});
  remove_tree(files_, state(10));
  const RepairPlan plan = plan_repair(files_, checkpoints_);
  EXPECT_THAT(plan.names, IsEmpty());
  EXPECT_THAT(plan.wrong_names, ElementsAre("regular/epoch=0-step=10"));
  EXPECT_THAT(plan.notes, ElementsAre(testing::HasSubstr("gone with step-00000010")));
}

TEST_F(Repair, GoesByTheNewestManifestThatCanBeRead) {
  save(1, {10, 20, 30});
  files_.flip_bit(state(30) / kManifestName, 20);
  const RepairPlan plan = plan_repair(files_, checkpoints_);
  ASSERT_TRUE(plan.last);
  EXPECT_EQ(plan.last->target, "step-00000020");
  EXPECT_THAT(plan.notes, ElementsAre(testing::HasSubstr("step-00000030 stays as it is")));
  repair(files_, checkpoints_, plan);
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20, 30)) << "states are the run's business";
}

TEST_F(Repair, WithoutAnyCheckpointRemovesTheLinkToIt) {
  save(1, {10});
  remove_tree(files_, state(10));
  files_.make_directory(checkpoints_ / "step-00000020.pending-1");
  repair(files_, checkpoints_, plan_repair(files_, checkpoints_));
  EXPECT_THAT(files_.list(checkpoints_), IsEmpty());
}

TEST_F(Repair, CutAnywhereLeavesEveryStateSoundAndTheNextDoesTheRest) {
  break_things();
  const auto change = [&](FileSystem& files) { repair(files, checkpoints_, plan_repair(files, checkpoints_)); };
  const std::size_t cuts = cut_everywhere(change, [&](MemoryFileSystem& files) {
    EXPECT_THAT(steps_on_disk(files), ElementsAre(10, 20, 30));
    expect_all_sound(files);
    MemoryFileSystem again(files);
    change(again);
    expect_repaired(again);
    EXPECT_EQ(restored_step(files, 2), 30);
  });
  EXPECT_GT(cuts, 50u);
}

}  // namespace
}  // namespace holdfast
