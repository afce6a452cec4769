// Saving while the training goes on: what is copied when, what the votes carry, what a full or failing disk costs.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "training.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Path kCheckpoints = RunLayout{kRun}.checkpoints();

/// One vote and what follows from it, as a step of a training does.
std::optional<SaveResult> take_step(TestRank& self) {
  Vote mine;
  self.checkpointer.add_facts_to(mine);
  const Vote facts = self.ranks.vote(mine);
  return self.checkpointer.advance(facts);
}

class SavedBehind : public testing::Test {
 protected:
  void expect_good(const std::vector<RankEnd>& ends) {
    for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
  }
  void attempt(int number, const std::function<void(TestRank&)>& body, int world_size = 2) {
    OperationRecord record;
    expect_good(run_attempt(files_, record, world_size, number, 3, body));
  }
  void expect_restored(std::int64_t step) {
    attempt(9, [&](TestRank& self) {
      const auto restored = self.checkpointer.restore("auto", self.state.entries());
      ASSERT_TRUE(restored);
      EXPECT_EQ(restored->manifest.global_step, step);
      EXPECT_TRUE(self.state.is_that_of(step)) << "another state than that of the step";
    });
  }
  MemoryFileSystem files_;
};

TEST_F(SavedBehind, TheVotesOfTheStepsBringItToItsEndOnEveryRankAtOnce) {
  for (const int world_size : {1, 2, 3}) {
    std::vector<int> ended_at(static_cast<std::size_t>(world_size), -1);
    attempt(
        world_size,
        [&](TestRank& self) {
          self.checkpointer.restore("none", self.state.entries());
          self.state.compute(10);
          self.checkpointer.begin_save(self.state.snapshot(10), after_step(10));
          for (int step = 0; self.checkpointer.is_saving(); ++step) {
            const auto result = take_step(self);
            if (!result) continue;
            EXPECT_EQ(result->failure, "");
            EXPECT_EQ(result->global_step, 10);
            ended_at[static_cast<std::size_t>(self.ranks.rank())] = step;
          }
          EXPECT_EQ(self.checkpointer.durable_step(), 10);
          EXPECT_FALSE(take_step(self)) << "a result is told once";
        },
        world_size);
    EXPECT_THAT(ended_at, testing::Each(ended_at[0]));
    EXPECT_GE(ended_at[0], 1) << "shards and commit take a vote each";
  }
}

TEST_F(SavedBehind, WhatOnlyAnUpdateChangesIsCopiedUntilFinishStagingReturns) {
  attempt(1, [&](TestRank& self) {
    self.checkpointer.restore("none", self.state.entries());
    self.state.compute(10);
    Snapshot snapshot = self.state.snapshot(10);
    for (StateEntry& entry : snapshot.entries) {
      entry.changes_only_in_update = entry.info.kind != TensorKind::per_rank;
      if (!entry.changes_only_in_update) continue;
      entry.copy_to = [copy = entry.copy_to](std::uint64_t offset, std::span<std::byte> into) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        copy(offset, into);
      };
    }
    self.checkpointer.begin_save(std::move(snapshot), after_step(10));
    self.checkpointer.finish_staging();
    self.state.compute(11);  // the update
    EXPECT_EQ(self.checkpointer.finish_save()->failure, "");
  });
  expect_restored(10);
}

TEST_F(SavedBehind, WhatMayChangeAtAnyTimeIsCopiedBeforeBeginReturns) {
  attempt(1, [&](TestRank& self) {
    self.checkpointer.restore("none", self.state.entries());
    self.state.compute(10);
    self.checkpointer.begin_save(self.state.snapshot(10), after_step(10));  // no entry says that it waits for an update
    self.state.compute(11);
    EXPECT_EQ(self.checkpointer.finish_save()->failure, "");
  });
  expect_restored(10);
}

TEST_F(SavedBehind, ASlowDiskHoldsUpNeitherTheStepsNorTheUpdates) {
  std::mutex mutex;
  std::condition_variable time_passes;
  int seconds = 0, writes = 0;  // every write of the disk takes a second
  OperationRecord record([&](const Operation& operation) {
    if (operation.verb != "write") return;
    std::unique_lock lock(mutex);
    const int is_done_at = std::max(seconds, writes++) + 1;
    time_passes.wait(lock, [&] { return seconds >= is_done_at; });
  });
  std::vector<std::int64_t> steps(2);
  expect_good(run_attempt(files_, record, 2, 1, 3, [&](TestRank& self) {
    self.checkpointer.restore("none", self.state.entries());
    self.state.compute(10);
    self.checkpointer.begin_save(self.state.snapshot(10), after_step(10));
    self.checkpointer.finish_staging();
    self.state.compute(11);  // an update, while nothing is written yet
    std::int64_t& step = steps[static_cast<std::size_t>(self.ranks.rank())];
    for (; self.checkpointer.is_saving(); ++step) {
      const auto result = take_step(self);
      EXPECT_TRUE(!result || result->failure.empty());
      if (step < 100 || self.ranks.rank() > 0) continue;
      const std::lock_guard lock(mutex);
      ++seconds;
      time_passes.notify_all();
    }
  }));
  EXPECT_GT(steps[0], 100) << "no time has passed until then";
  EXPECT_EQ(steps[0], steps[1]);
  EXPECT_GT(writes, 2);
  expect_restored(10);
}

TEST_F(SavedBehind, AFullDiskIsToldBeforeAnythingIsWrittenAndTheNextSaveTriesAgain) {
  attempt(1, [](TestRank& self) { restore_and_save(self, 10); });
  attempt(2, [&](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    self.state.compute(20);
    self.ranks.barrier();
    if (self.ranks.rank() == 0) files_.set_available(100);
    self.ranks.barrier();
    self.checkpointer.begin_save(self.state.snapshot(20), after_step(20));
    const auto result = take_step(self);
    ASSERT_TRUE(result);
    EXPECT_THAT(result->failure, HasSubstr("write to /memory/run/checkpoints: expected"));
    EXPECT_THAT(result->failure, HasSubstr("bytes of free space, found 100"));
    EXPECT_THAT(result->failure, HasSubstr("the newest good checkpoint is that of step 10"));
    EXPECT_EQ(self.checkpointer.durable_step(), 10);
    self.ranks.barrier();
    if (self.ranks.rank() == 0) files_.set_available(UINT64_MAX);
    self.ranks.barrier();
    self.checkpointer.save(self.state.snapshot(20), after_step(20));
  });
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20));
}

TEST_F(SavedBehind, AFailedSyncOfAShardIsAnsweredByANewFile) {
  const auto body = [](TestRank& self) { restore_and_save(self, 10); };
  MemoryFileSystem trial;
  OperationRecord undisturbed;
  run_attempt(trial, undisturbed, 2, 1, 3, body);
  const Path shard = kCheckpoints / "step-00000010.pending-1" / shard_name(1, 2);
  std::size_t operation = 0, found = 0;
  for (const Operation& done : undisturbed.operations())
    if (done.rank == 1) {
      if (done.verb == "sync" && done.path == shard) found = operation;
      ++operation;
    }
  OperationRecord record(Fault{1, found, Fault::Kind::fails});
  expect_good(run_attempt(files_, record, 2, 1, 3, body));
  ASSERT_EQ(record.struck()->verb, "sync");
  int created = 0, removed = 0;
  for (const Operation& done : record.operations()) {
    created += done.verb == "create" && done.path == shard;
    removed += done.verb == "remove file" && done.path == shard;
  }
  EXPECT_EQ(created, 2);
  EXPECT_EQ(removed, 1) << "never synced again: a new file";
  expect_restored(10);
}

TEST_F(SavedBehind, ATensorThatFellOutOrChangedIsAnErrorAndANewOneIsNot) {
  attempt(1, [&](TestRank& self) {
    self.checkpointer.restore("none", self.state.entries());
    self.checkpointer.save(self.state.snapshot(10), after_step(10));
    Snapshot without = self.state.snapshot(20), other = self.state.snapshot(20), more = self.state.snapshot(20);
    without.entries.erase(without.entries.begin());
    other.entries[1].info.dtype = DType::f16;
    more.entries.push_back(more.entries[0]);
    more.entries.back().info.name = "model/new";
    EXPECT_THAT([&] { self.checkpointer.begin_save(without, after_step(20)); },
                testing::ThrowsMessage<Error>(
                    HasSubstr("save model/a: expected float32 [8, 5], as in the checkpoint before, found no such tensor")));
    EXPECT_THAT(
        [&] { self.checkpointer.begin_save(other, after_step(20)); },
        testing::ThrowsMessage<Error>(HasSubstr("save model/b: expected bfloat16 [33], as in the checkpoint before, found float16 [33]")));
    self.checkpointer.save(more, after_step(20));
  });
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20));
}

TEST_F(SavedBehind, AnotherBeginBeforeTheEndIsAnError) {
  attempt(1, [&](TestRank& self) {
    self.checkpointer.restore("none", self.state.entries());
    self.checkpointer.begin_save(self.state.snapshot(10), after_step(10));
    EXPECT_THROW(self.checkpointer.begin_save(self.state.snapshot(11), after_step(11)), std::logic_error);
    self.checkpointer.finish_save();
  });
}

TEST_F(SavedBehind, ARestoreReadsEachByteThatAnyRankNeedsOnce) {
  attempt(
      1, [](TestRank& self) { restore_and_save(self, 10); }, 3);
  for (const int world_size : {1, 2, 3, 4}) {
    MemoryFileSystem files(files_);
    std::atomic<std::uint64_t> read = 0, needed = 0;
    OperationRecord record;
    const auto ends = run_attempt(files, record, world_size, 2, 3, [&](TestRank& self) {
      std::vector<StateEntry> entries = self.state.entries();
      std::erase_if(entries, [](const StateEntry& entry) { return entry.info.kind == TensorKind::sharded; });
      if (self.ranks.rank() == 0)
        for (const StateEntry& entry : entries)
          needed += entry.info.bytes() * (entry.info.kind == TensorKind::per_rank ? static_cast<std::uint64_t>(world_size) : 1);
      const Manifest manifest = read_manifest(self.files, kCheckpoints / "step-00000010");
      const RestoreResult result =
          restore_tensors(self.ranks, self.files, kCheckpoints / "step-00000010", manifest, entries, RestoreScope::everything);
      EXPECT_EQ(result.failure, "");
      read += result.bytes_read;
    });
    for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
    // Reads begin and end at pages; a state of a few hundred bytes has a page around every run of it.
    EXPECT_LE(read, needed + 2 * kDirectAlignment * static_cast<std::uint64_t>(3 + world_size)) << world_size << " ranks";
    EXPECT_GE(read, needed);
  }
}

}  // namespace
}  // namespace holdfast
