// Why each state is there, as a person is told it and as prune goes by it.
#include "stored_run.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class InventoryOf : public StoredRun {
 protected:
  std::vector<std::string> holds(std::int64_t step) {
    std::vector<std::string> texts;
    for (const StoredState& state : take_inventory(files_, checkpoints_).states)
      if (state.name.step == step)
        for (const Hold& hold : state.holds) texts.push_back(describe(hold));
    return texts;
  }
};

TEST_F(InventoryOf, ARunNamesWhatKeepsEachState) {
  save(1, {10, 20, 30});
  EXPECT_THAT(holds(10), ElementsAre("regular/epoch=0-step=10"));
  EXPECT_THAT(holds(30), ElementsAre("newest", "last", "regular/epoch=0-step=30"));
}

TEST_F(InventoryOf, ARunKnowsWhatItsNewestAttemptWentOnFrom) {
  save(1, {10, 20});
  save(2, {30, 40});
  EXPECT_THAT(holds(20), ElementsAre("regular/epoch=0-step=20", "resumed"));
  EXPECT_THAT(holds(10), ElementsAre("regular/epoch=0-step=10"));
  EXPECT_THAT(holds(30), ElementsAre("regular/epoch=0-step=30"));
}

TEST_F(InventoryOf, ARunKnowsWhatItResumedFromAlsoWhenNoEntryKeepsIt) {
  save(1, {10, 20});
  save(2, {30, 40, 50}, 1);
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(20, 50));
  EXPECT_THAT(holds(20), ElementsAre("regular/epoch=0-step=20", "resumed"));
}

TEST_F(InventoryOf, AStateThatNoManifestKnowsIsForeign) {
  save(1, {10, 20});
  files_.make_directory(state(15));
  EXPECT_THAT(holds(15), ElementsAre("foreign"));
}

TEST_F(InventoryOf, AStateThatIsToGoHasNoHold) {
  save(1, {10, 20});
  MemoryFileSystem before(files_);
  save(2, {30}, 2);
  ASSERT_THAT(steps_on_disk(files_), ElementsAre(20, 30));
  // As if a kill had come between the commit of 30 and the removal of 10.
  files_.make_directory(state(10));
  for (const char* name : {"manifest.json", "shard-00000-of-00002.h5", "shard-00001-of-00002.h5"}) {
    const std::string text = read_text(before, state(10) / name);
    files_.create(state(10) / name)->write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  }
  EXPECT_THAT(take_inventory(files_, checkpoints_).decided->retiring, ElementsAre(CheckpointName{10, 0}));
  EXPECT_THAT(holds(10), IsEmpty());
  EXPECT_THAT(holds(20), ElementsAre("regular/epoch=0-step=20", "resumed"));
}

TEST_F(InventoryOf, ALinkThatIsRemovedWhileItIsReadIsNone) {
  save(1, {10, 20});
  const Path name = checkpoints_ / "regular/epoch=0-step=10";
  std::set<Path> removed;
  OperationRecord record([&](const Operation& operation) {
    const bool strikes = operation.verb == "read link" && (operation.path == name || operation.path == checkpoints_ / kLastLink);
    if (strikes && removed.insert(operation.path).second) files_.remove_file(operation.path);
  });
  FaultyFileSystem view(files_, record, 0);
  const Inventory inventory = take_inventory(view, checkpoints_);
  ASSERT_EQ(inventory.states.size(), 2u);
  EXPECT_THAT(inventory.states[1].holds, testing::Not(testing::Contains(testing::Field(&Hold::kind, Hold::Kind::last))));
  EXPECT_FALSE(is_right(view, checkpoints_, {"regular/epoch=0-step=10", "step-00000010"}));
  EXPECT_EQ(removed.size(), 2u);
}

TEST_F(InventoryOf, ADamagedNewestManifestHidesNothing) {
  save(1, {10, 20, 30});
  files_.flip_bit(state(30) / kManifestName, 20);
  const Inventory inventory = take_inventory(files_, checkpoints_);
  ASSERT_EQ(inventory.states.size(), 3u);
  EXPECT_FALSE(inventory.states[2].manifest);
  EXPECT_THAT(inventory.states[2].error, testing::HasSubstr("manifest.json"));
  EXPECT_EQ(inventory.source, (CheckpointName{20, 0}));
  EXPECT_THAT(holds(30), ElementsAre("newest", "last"));
  EXPECT_THAT(holds(20), ElementsAre("regular/epoch=0-step=20"));
}

}  // namespace
}  // namespace holdfast
