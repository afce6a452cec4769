#include "checkpoint/format/layout.h"

#include <gmock/gmock.h>

#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

TEST(Layout, NamesOfARunDirectory) {
  const RunLayout run{"/runs/a"};
  EXPECT_EQ(run.checkpoints(), Path("/runs/a/checkpoints"));
  EXPECT_EQ(run.rank_log(3, 1), Path("/runs/a/logs/attempt-003/rank-1.log"));
  EXPECT_EQ(run.exit_record(3, 1), Path("/runs/a/logs/attempt-003/rank-1.exit.json"));
  EXPECT_EQ(run.attempt_logs(1234), Path("/runs/a/logs/attempt-1234"));
}

TEST(Layout, NamesOfCheckpoints) {
  EXPECT_EQ(directory_name({1000, 0}), "step-00001000");
  EXPECT_EQ(directory_name({1000, 1}), "step-00001000.1");
  EXPECT_EQ(directory_name({1234567890, 0}), "step-1234567890");
  EXPECT_EQ(pending_name({1000, 0}, 3), "step-00001000.pending-3");
  EXPECT_EQ(pending_name({1000, 2}, 3), "step-00001000.2.pending-3");
  EXPECT_EQ(deleting_name({1000, 1}), "step-00001000.1.deleting");
  EXPECT_EQ(shard_name(0, 2), "shard-00000-of-00002.h5");
  EXPECT_EQ(shard_name(12345, 100000), "shard-12345-of-100000.h5");
}

TEST(Layout, ReadsBackEveryNameThatItWrites) {
  for (const std::int64_t step : {0L, 1L, 7L, 99999999L, 100000000L, 999999999999999999L})
    for (const int version : {0, 1, 2, 10, 999999999})
      EXPECT_EQ(parse_directory_name(directory_name({step, version})), (CheckpointName{step, version})) << step << "." << version;
}

TEST(Layout, TakesNoOtherNameForACommittedCheckpoint) {
  for (const char* name : {"step-1000",
                           "step-00001000.0",
                           "step-00001000.01",
                           "step-00001000.",
                           "step-00001000.pending-3",
                           "step-00001000.1.pending-3",
                           "step-00001000.deleting",
                           "step-000001000",
                           "step--0001000",
                           "step-0000100a",
                           "Step-00001000",
                           "step-00001000 ",
                           " step-00001000",
                           "step-00001000/",
                           "abandoned-3",
                           "last",
                           "best",
                           "",
                           ".",
                           "..",
                           "step-",
                           "step-9999999999999999999",
                           "step-00001000.9999999999"})
    EXPECT_EQ(parse_directory_name(name), std::nullopt) << "'" << name << "'";
}

TEST(Layout, KnowsWhatWasNeverCommittedOrHalfRemoved) {
  for (const char* name : {"step-00001000.pending-3", "step-00001000.1.pending-12", "step-00001000.deleting", "step-00001000.1.deleting"})
    EXPECT_TRUE(is_leftover(name)) << name;
  for (const char* name : {"step-00001000", "step-00001000.1", "abandoned-3", "last", "last.pending", "mine.pending-3",
                           "step-1000.pending-3", "step-00001000.pending-", "step-00001000.pending-3.old", "step-00001000.deleting-1", ""})
    EXPECT_FALSE(is_leftover(name)) << name;
}

class LayoutOnDisk : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(LayoutOnDisk, ListsCommittedCheckpointsOldestFirst) {
  for (const char* name : {"step-00000020", "step-00000007", "step-100000000", "step-00000020.2", "step-00000020.10", "step-00000020.1",
                           "step-00000030.pending-1", "step-00000005.deleting", "abandoned-1", "mine"})
    files_->make_directory(directory_.path() / name);
  files_->create(directory_.path() / "step-00000040")->close();  // a file is no checkpoint
  files_->make_link("step-00000020", directory_.path() / "step-00000050");
  files_->make_link("step-00000020", directory_.path() / kLastLink);
  EXPECT_THAT(list_checkpoints(*files_, directory_.path()),
              ElementsAre(CheckpointName{7, 0}, CheckpointName{20, 0}, CheckpointName{20, 1}, CheckpointName{20, 2}, CheckpointName{20, 10},
                          CheckpointName{100000000, 0}));
}

TEST_F(LayoutOnDisk, TakesWeightsAloneForNoStateToGoOnFrom) {
  for (const char* name : {"step-00000020", "weights-00000020", "weights-00000030.1", "weights-00000030.pending-1", "weights"})
    files_->make_directory(directory_.path() / name);
  EXPECT_THAT(list_checkpoints(*files_, directory_.path()), ElementsAre(CheckpointName{20, 0}));
  EXPECT_THAT(list_all_checkpoints(*files_, directory_.path()),
              ElementsAre(CheckpointName{20, 0}, CheckpointName{20, 0, true}, CheckpointName{30, 1, true}));
  EXPECT_TRUE(is_leftover("weights-00000030.pending-1"));
  EXPECT_FALSE(is_entry_directory("weights-00000020"));
}

TEST(Layout, ACopyInsideAStateHasNoNameOfAState) {
  for (const char* name : {"ema", "a-b_2", "steps", "step"}) EXPECT_TRUE(is_transform_name(name)) << name;
  for (const char* name : {"", "a/b", "..", "step-00000001", "weights-00000001", "abandoned-1", "last"})
    EXPECT_FALSE(is_transform_name(name)) << name;
}

TEST_F(LayoutOnDisk, AMissingDirectoryHoldsNone) {
  EXPECT_THAT(list_checkpoints(*files_, directory_.path() / "checkpoints"), ElementsAre());
}

TEST_F(LayoutOnDisk, AbandonsIntoTheFirstFreeName) {
  EXPECT_EQ(free_abandoned_name(*files_, directory_.path(), 3), "abandoned-3");
  files_->make_directory(directory_.path() / "abandoned-3");
  EXPECT_EQ(free_abandoned_name(*files_, directory_.path(), 3), "abandoned-3.1");
  files_->make_directory(directory_.path() / "abandoned-3.1");
  EXPECT_EQ(free_abandoned_name(*files_, directory_.path(), 3), "abandoned-3.2");
  EXPECT_EQ(free_abandoned_name(*files_, directory_.path(), 4), "abandoned-4");
}

}  // namespace
}  // namespace holdfast
