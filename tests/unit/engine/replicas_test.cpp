// Bits that differ between ranks where they should be the same are noticed by a save, and never become a checkpoint.
#include "checkpoint/engine/replicas.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "base/host.h"
#include "training.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(CheckedRank, IsNeverItsOwnAndEachOtherInTurn) {
  for (const int world_size : {2, 3, 4, 7})
    for (int rank = 0; rank < world_size; ++rank) {
      std::set<int> checked;
      for (std::int64_t save = 5; save < 5 + world_size - 1; ++save) checked.insert(checked_rank(rank, world_size, save));
      EXPECT_EQ(checked.size(), static_cast<std::size_t>(world_size - 1));
      EXPECT_FALSE(checked.contains(rank));
    }
}

/// Ranks of which one has a wrong bit, as many saves as it takes until each has been compared with each.
class Corruption : public testing::TestWithParam<int> {
 protected:
  /// What the first save that fails says on every rank; empty: none did.
  std::string first_failure(int wrong_rank, const std::string& tensor) {
    remove_tree(files_, kRun);
    std::vector<std::string> failures(static_cast<std::size_t>(GetParam()));
    OperationRecord record;
    const auto ends = run_attempt(files_, record, GetParam(), 1, 9, [&](TestRank& self) {
      self.checkpointer.restore("auto", self.state.entries());
      self.state.compute(10);
      self.checkpointer.save(self.state.snapshot(10), after_step(10));
      self.state.compute(20);
      if (self.ranks.rank() == wrong_rank) self.state.flip_bit(tensor);
      std::string& failure = failures[static_cast<std::size_t>(self.ranks.rank())];
      for (std::int64_t save = 1; save < GetParam() && failure.empty(); ++save) {
        Boundary here = after_step(20);
        here.position.batch += save;  // another state
        self.checkpointer.begin_save(self.state.snapshot(20), here);
        const SaveResult result = self.checkpointer.finish_save().value();
        failure = result.failure;
        EXPECT_EQ(result.is_corruption, !failure.empty());
      }
    });
    for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
    for (const std::string& failure : failures) EXPECT_EQ(failure, failures[0]) << "all ranks alike";
    return failures[0];
  }
  MemoryFileSystem files_;
};

TEST_P(Corruption, OfOneRankIsNamedWithTensorBlockAndHost) {
  for (int rank = 0; rank < GetParam(); ++rank) {
    for (const std::string& tensor : {std::string("model/a"), std::string("optimizers/main/a/momentum")}) {
      const std::string failure = first_failure(rank, tensor);
      EXPECT_THAT(failure, AllOf(HasSubstr("silent data corruption"), HasSubstr(tensor + ", block 0")));
      const std::string who = GetParam() == 2 ? "one of 2 is wrong and no majority tells which: rank 0 on"
                                              : fmt::format(": rank {} on {} has other bits than {} of {} ranks", rank, host_name(),
                                                            GetParam() - 1, GetParam());
      EXPECT_THAT(failure, HasSubstr(who));
    }
  }
}

TEST_P(Corruption, NeverBecomesACheckpointOnceItIsNoticed) {
  first_failure(GetParam() - 1, "model/a");
  for (const std::string& name : files_.list(RunLayout{kRun}.checkpoints())) EXPECT_THAT(name, Not(HasSubstr("pending")));
  if (GetParam() == 2) {
    EXPECT_THAT(steps_on_disk(files_), ElementsAre(10));
  }
}

TEST_P(Corruption, IsNotWhatEachRankHasForItself) {
  EXPECT_EQ(first_failure(1, "rng/cpu"), "");
  EXPECT_EQ(first_failure(1, "optimizers/main/shards"), "");
}

INSTANTIATE_TEST_SUITE_P(Ranks, Corruption, testing::Values(2, 3, 4), testing::PrintToStringParamName());

}  // namespace
}  // namespace holdfast
