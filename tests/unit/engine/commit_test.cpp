// The order in which files are written, synced, renamed and removed, and what a death at any point of it leaves.
#include <gmock/gmock.h>

#include "disturbed_save.h"

namespace holdfast {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

class Order : public testing::Test {
 protected:
  void save(std::int64_t step, int attempt, std::int64_t limit = 2) {
    OperationRecord record;
    const auto ends = run_attempt(files_, record, 2, attempt, limit, [&](TestRank& self) { restore_and_save(self, step); });
    for (const RankEnd& end : ends) ASSERT_TRUE(end.is_good()) << end.error;
    operations_ = record.operations();
  }
  /// Where the operation stands in the record; it is there exactly once.
  std::size_t only(const std::string& verb, const Path& path) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < operations_.size(); ++i)
      if (operations_[i].verb == verb && operations_[i].path == path) found.push_back(i);
    EXPECT_EQ(found.size(), 1u) << verb << " " << path;
    return found.empty() ? 0 : found[0];
  }
  /// The first operation of that kind behind `from`.
  std::size_t next(std::size_t from, const std::string& verb, const Path& path) {
    for (std::size_t i = from + 1; i < operations_.size(); ++i)
      if (operations_[i].verb == verb && operations_[i].path == path) return i;
    ADD_FAILURE() << "no " << verb << " " << path << " behind operation " << from;
    return from;
  }

  MemoryFileSystem files_;
  std::vector<Operation> operations_;
};

TEST_F(Order, ShardsAreDurableBeforeTheManifestAndTheManifestBeforeTheRename) {
  save(10, 1);
  const Path pending = kCheckpoints / "step-00000010.pending-1", manifest = pending / kManifestName;
  const std::size_t created = only("create", manifest);
  for (int rank = 0; rank < 2; ++rank) {
    const Path shard = pending / shard_name(rank, 2);
    EXPECT_LT(next(only("truncate", shard), "sync", shard), created) << "after the last byte, before the manifest";
    const std::size_t named = next(only("sync", shard), "sync directory", pending);
    EXPECT_LT(named, created);
  }
  const std::size_t synced = next(only("write", manifest), "sync", manifest);
  const std::size_t named = next(synced, "sync directory", pending);
  EXPECT_LT(named, only("rename to", kCheckpoints / "step-00000010"));
}

TEST_F(Order, NothingIsPointedToOrRemovedBeforeTheRenameIsDurable) {
  save(10, 1);
  save(20, 2);
  save(30, 3);
  const std::size_t durable = next(only("rename to", kCheckpoints / "step-00000030"), "sync directory", kCheckpoints);
  const std::size_t pointed = next(only("rename over", kCheckpoints / kLastLink), "sync directory", kCheckpoints);
  EXPECT_GT(only("rename over", kCheckpoints / kLastLink), durable);
  EXPECT_GT(only("rename to", kCheckpoints / "step-00000010.deleting"), pointed) << "`last` never names what is gone";
  for (std::size_t i = 0; i < durable; ++i)
    EXPECT_THAT(operations_[i].verb, testing::Not(testing::StartsWith("remove"))) << operations_[i].path;
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(20, 30));
}

TEST_F(Order, AShardIsCreatedOnceWrittenAndClosed) {
  save(10, 1);
  for (int rank = 0; rank < 2; ++rank) {
    const Path shard = kCheckpoints / "step-00000010.pending-1" / shard_name(rank, 2);
    EXPECT_LT(only("create", shard), only("sync", shard));
    EXPECT_LT(only("sync", shard), only("close", shard));
    for (std::size_t i = only("close", shard) + 1; i < operations_.size(); ++i)
      EXPECT_NE(operations_[i].path, shard) << operations_[i].verb;
  }
}

TEST_F(Order, WhatIsCommittedIsSound) {
  save(10, 1);
  EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / "step-00000010"), IsEmpty());
  EXPECT_EQ(files_.read_link(kCheckpoints / kLastLink), "step-00000010");
}

class Cut : public testing::TestWithParam<Scenario> {
 protected:
  static std::string describe(int rank, std::size_t operation, const OperationRecord& record) {
    return fmt::format("rank {}, operation {}: {} {}", rank, operation, record.struck()->verb, record.struck()->path.string());
  }
  /// The next attempt finds the right step and goes on.
  void expect_recovery(MemoryFileSystem& files, bool must_be_new, bool must_be_old) {
    ASSERT_NO_THROW(disturbed_.require_right(disturbed_.restored_step_of_a_run_that_goes_on(files), must_be_new, must_be_old));
  }

  /// Every operation of every rank, one attempt each.
  template <class Check>
  void at_every_operation(Fault::Kind kind, const Check& check) {
    OperationRecord undisturbed;
    MemoryFileSystem trial(disturbed_.before());
    for (const RankEnd& end : disturbed_.attempt(trial, undisturbed)) ASSERT_TRUE(end.is_good()) << end.error;
    for (int rank = 0; rank < disturbed_.world_size(); ++rank) {
      ASSERT_GT(undisturbed.count(rank), 5u);
      for (std::size_t operation = 0; operation < undisturbed.count(rank); ++operation) {
        MemoryFileSystem files(disturbed_.before());
        OperationRecord record(Fault{rank, operation, kind});
        const auto ends = disturbed_.attempt(files, record);
        ASSERT_TRUE(record.struck()) << "the fault never struck: rank " << rank << ", operation " << operation;
        SCOPED_TRACE(describe(rank, operation, record));
        check(files, record, ends, rank);
        if (HasFatalFailure()) return;
      }
    }
  }

  const DisturbedSave disturbed_{GetParam()};
};

TEST_P(Cut, AKillAtAnyOperationLeavesTheNewStepOrTheOneBefore) {
  for (const Fault::Kind kind : {Fault::Kind::killed, Fault::Kind::killed_at_once})
    at_every_operation(kind, [&](MemoryFileSystem& files, const OperationRecord& record, const std::vector<RankEnd>& ends, int rank) {
      ASSERT_TRUE(ends[static_cast<std::size_t>(rank)].is_killed);
      // The rename is the commit: no earlier, no later.
      const bool is_renamed = DisturbedSave::progress_of(record.operations(), *record.struck()).is_renamed;
      expect_recovery(files, is_renamed, !is_renamed);
    });
}

TEST_P(Cut, AFailureAtAnyOperationOfASaveIsToldToEveryRankAndTheNextSaveSucceeds) {
  const auto size = static_cast<std::size_t>(disturbed_.world_size());
  std::vector<std::size_t> first(size);  // operation of the save, by rank
  std::vector<int> failures(size);
  const auto attempt_twice = [&](MemoryFileSystem& files, OperationRecord& record) {
    failures.assign(size, 0);
    return disturbed_.attempt(files, record, [&](TestRank& self) {
      const auto rank = static_cast<std::size_t>(self.ranks.rank());
      first[rank] = record.count(self.ranks.rank());
      try {
        DisturbedSave::save_once(self);
      } catch (const StorageError&) {
        ++failures[rank];
        DisturbedSave::save_once(self);
      }
    });
  };
  OperationRecord undisturbed;
  MemoryFileSystem trial(disturbed_.before());
  attempt_twice(trial, undisturbed);
  for (int rank = 0; rank < disturbed_.world_size(); ++rank)
    for (std::size_t operation = first[static_cast<std::size_t>(rank)]; operation < undisturbed.count(rank); ++operation) {
      MemoryFileSystem files(disturbed_.before());
      OperationRecord record(Fault{rank, operation, Fault::Kind::fails});
      const auto ends = attempt_twice(files, record);
      ASSERT_TRUE(record.struck());
      SCOPED_TRACE(describe(rank, operation, record));
      for (const RankEnd& end : ends) ASSERT_TRUE(end.is_good()) << end.error;
      ASSERT_THAT(failures, Each(failures[0])) << "all ranks alike";
      expect_recovery(files, true, false);
      if (HasFatalFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(Each, Cut,
                         testing::Values(Scenario{"first_save_2_ranks", 2, {}, 2, false}, Scenario{"first_save_4_ranks", 4, {}, 2, false},
                                         Scenario{"retention_2_ranks", 2, {10, 20, 30}, 2, false},
                                         Scenario{"retention_4_ranks", 4, {10, 20, 30}, 2, false},
                                         Scenario{"leftover_2_ranks", 2, {10}, 2, true}, Scenario{"leftover_4_ranks", 4, {10}, 2, true}),
                         [](const auto& made) { return made.param.name; });

}  // namespace
}  // namespace holdfast
