// A save that fails: what it leaves, what it says, and that no rank is left waiting.
#include <gmock/gmock.h>

#include "training.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Path kCheckpoints = RunLayout{kRun}.checkpoints();

class FailedSave : public testing::Test {
 protected:
  static constexpr int kRanks = 2;

  void SetUp() override {
    OperationRecord record;
    run_attempt(files_, record, kRanks, 1, 2, [](TestRank& self) { restore_and_save(self, 10); });
    ASSERT_THAT(steps_on_disk(files_), ElementsAre(10));
  }
  std::vector<RankEnd> save(OperationRecord& record) {
    return run_attempt(files_, record, kRanks, 2, 2, [](TestRank& self) { restore_and_save(self, 20); });
  }
  /// The how-manieth operation of `rank` this one is in a save that nothing disturbs.
  std::size_t operation(int rank, const std::string& verb, const Path& path) {
    MemoryFileSystem trial(files_);
    OperationRecord record;
    run_attempt(trial, record, kRanks, 2, 2, [](TestRank& self) { restore_and_save(self, 20); });
    std::size_t before = 0;
    for (const Operation& done : record.operations()) {
      if (done.rank != rank) continue;
      if (done.verb == verb && done.path == path) return before;
      ++before;
    }
    ADD_FAILURE() << "rank " << rank << " does no " << verb << " " << path;
    return 0;
  }

  const Path pending_ = kCheckpoints / "step-00000020.pending-2";
  MemoryFileSystem files_;
};

TEST_F(FailedSave, GivesItsSpaceBack) {
  OperationRecord record(Fault{0, operation(0, "write", pending_ / kManifestName), Fault::Kind::fails});
  for (const RankEnd& end : save(record)) EXPECT_THAT(end.error, HasSubstr("write " + (pending_ / kManifestName).string()));
  EXPECT_THAT(files_.list(kCheckpoints), ElementsAre("last", "regular", "step-00000010"));
}

TEST_F(FailedSave, GivesTheRanksCausesEvenWhenItCannotBeRemoved) {
  const Path shard = pending_ / shard_name(1, kRanks);
  OperationRecord record(Fault{1, operation(1, "write", shard), Fault::Kind::all_fail});
  for (const RankEnd& end : save(record))
    EXPECT_THAT(end.error, AllOf(HasSubstr("save the checkpoint of step 20"), HasSubstr("rank 1: write " + shard.string())));
  EXPECT_THAT(files_.list(pending_), Not(IsEmpty())) << "the test wants a removal that fails";
}

TEST_F(FailedSave, IsToldToEveryRankWhateverWentWrong) {
  OperationRecord record;
  const auto ends = run_attempt(files_, record, kRanks, 2, 2, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    Snapshot snapshot = self.state.snapshot(20);
    snapshot.options = {{"name", "no UTF-8: \xff"}};
    self.checkpointer.save(snapshot, after_step(snapshot.global_step));
  });
  for (const RankEnd& end : ends) EXPECT_THAT(end.error, AllOf(HasSubstr("save the checkpoint of step 20"), HasSubstr("UTF-8")));
  EXPECT_THAT(files_.list(kCheckpoints), ElementsAre("last", "regular", "step-00000010"));
}

TEST_F(FailedSave, OfStateThatOneRankCannotCopyIsToldToEveryRank) {
  OperationRecord record;
  const auto ends = run_attempt(files_, record, kRanks, 2, 2, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    Snapshot snapshot = self.state.snapshot(20);
    if (self.ranks.rank() == 1)
      snapshot.entries.back().copy_to = [](std::uint64_t, std::span<std::byte>) { throw std::runtime_error("no copy \xff"); };
    self.checkpointer.save(snapshot, after_step(snapshot.global_step));
  });
  for (const RankEnd& end : ends) EXPECT_THAT(end.error, AllOf(HasSubstr("save the checkpoint of step 20"), HasSubstr("rank 1: no copy")));
}

}  // namespace
}  // namespace holdfast
