// Falling back from damaged checkpoints, and what becomes of those that a run goes on without.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <string>

#include "checkpoint/engine/answers.h"
#include "checkpoint/format/verify.h"
#include "training.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Path kCheckpoints = RunLayout{kRun}.checkpoints();

class Fallback : public testing::Test {
 protected:
  void SetUp() override {
    for (const std::int64_t step : {10, 20, 30}) attempt(1, [&](TestRank& self) { restore_and_save(self, step); });
    ASSERT_THAT(steps_on_disk(files_), ElementsAre(10, 20, 30));
  }
  std::vector<RankEnd> attempt(int number, const std::function<void(TestRank&)>& body, int world_size = 2) {
    OperationRecord record;
    return run_attempt(files_, record, world_size, number, 3, body);
  }
  /// The step that a restore finds on every rank, and what it logs.
  std::int64_t restored_step(int number) {
    std::vector<std::int64_t> found(2, -2);
    testing::internal::CaptureStdout();
    const auto ends = attempt(number, [&](TestRank& self) {
      const auto restored = self.checkpointer.restore("auto", self.state.entries());
      const std::int64_t step = restored ? restored->manifest.global_step : -1;
      if (restored && !self.state.is_that_of(step)) throw std::logic_error("another state than that of the step");
      found[static_cast<std::size_t>(self.ranks.rank())] = step;
    });
    log_ = testing::internal::GetCapturedStdout();
    for (const RankEnd& end : ends) error_ += end.error;
    EXPECT_THAT(found, Each(found[0]));
    return found[0];
  }
  void damage(std::int64_t step, int rank, const std::string& tensor) {
    const Path checkpoint = kCheckpoints / directory_name({step, 0});
    const Manifest manifest = read_manifest(files_, checkpoint);
    const ShardRecord& shard = manifest.shards[static_cast<std::size_t>(rank)];
    for (const PieceRecord& piece : shard.pieces)
      if (piece.tensor == tensor) return files_.flip_bit(checkpoint / shard.file, piece.file_offset);
    FAIL() << tensor << " is not in " << shard.file;
  }

  MemoryFileSystem files_;
  std::string log_, error_;
};

TEST_F(Fallback, ADamagedNewestFallsBackToTheOneBeforeNamingShardDatasetAndBlock) {
  damage(30, 1, "rng/cpu");
  EXPECT_EQ(restored_step(2), 20);
  EXPECT_THAT(log_, AllOf(HasSubstr("cannot restore from /memory/run/checkpoints/step-00000030"), HasSubstr("rank 1: "),
                          HasSubstr("shard-00001-of-00002.h5, dataset rng/cpu, block 0")));
}

TEST_F(Fallback, DamageThatOnlyOneRankReadsMovesAllRanksBack) {
  damage(30, 0, "rng/cpu");
  EXPECT_EQ(restored_step(2), 20);
  EXPECT_THAT(log_, HasSubstr("rank 0: "));
}

TEST_F(Fallback, GoesBackAsFarAsItMust) {
  damage(30, 1, "rng/cpu");
  remove_tree(files_, kCheckpoints / "step-00000020" / kManifestName);
  EXPECT_EQ(restored_step(2), 10);
  EXPECT_THAT(log_, AllOf(HasSubstr("step-00000030"), HasSubstr("step-00000020/manifest.json")));
}

TEST_F(Fallback, TheDamagedOneIsMovedOutOfTheWayAndTheStepCanBeReachedAgain) {
  damage(30, 1, "rng/cpu");
  const auto ends = attempt(2, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    Boundary later = after_step(30);
    later.position.batch = 31;  // a batch without an update
    self.checkpointer.save(self.state.snapshot(30), later);
  });
  for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20, 30));
  EXPECT_THAT(files_.list(kCheckpoints / "abandoned-2"), ElementsAre("step-00000030"));
  EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / "step-00000030"), IsEmpty());
}

TEST_F(Fallback, NoSoundOneIsAnErrorThatListsWhatWasTriedAndMovesNothing) {
  for (const std::int64_t step : {10, 20, 30}) damage(step, 1, "rng/cpu");
  EXPECT_EQ(restored_step(2), -2);
  for (const char* word : {"step-00000010", "step-00000020", "step-00000030", "dataset rng/cpu, block 0", "next: "})
    EXPECT_THAT(error_, HasSubstr(word));
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20, 30));
}

TEST_F(Fallback, AStartFromTheBeginningKeepsWhatWasThereOutOfTheWay) {
  attempt(2, [](TestRank& self) { EXPECT_FALSE(self.checkpointer.restore("none", self.state.entries())); });
  EXPECT_THAT(steps_on_disk(files_), IsEmpty());
  EXPECT_THAT(files_.list(kCheckpoints / "abandoned-2"), ElementsAre("step-00000010", "step-00000020", "step-00000030"));
}

TEST_F(Fallback, LastPointsToTheChosenOneOrIsGone) {
  attempt(2, [](TestRank& self) { self.checkpointer.restore((kCheckpoints / "step-00000020").string(), self.state.entries()); });
  EXPECT_EQ(files_.read_link(kCheckpoints / kLastLink), "step-00000020");
  attempt(3, [](TestRank& self) { self.checkpointer.restore("none", self.state.entries()); });
  EXPECT_EQ(files_.kind(kCheckpoints / kLastLink), FileKind::none);
}

TEST_F(Fallback, LastNeverPointsToWhatWasMovedAway) {
  OperationRecord undisturbed;
  MemoryFileSystem trial(files_);
  const auto restore = [](TestRank& self) { self.checkpointer.restore((kCheckpoints / "step-00000010").string(), self.state.entries()); };
  run_attempt(trial, undisturbed, 2, 2, 3, restore);
  for (std::size_t operation = 0; operation < undisturbed.count(0); ++operation) {
    MemoryFileSystem files(files_);
    OperationRecord record(Fault{0, operation, Fault::Kind::killed});
    run_attempt(files, record, 2, 2, 3, restore);
    ASSERT_TRUE(record.struck());
    EXPECT_NE(files.kind(kCheckpoints / files.read_link(kCheckpoints / kLastLink)), FileKind::none) << "killed at operation " << operation;
  }
}

TEST_F(Fallback, AnotherStateOfTheSameStepHasItsOwnName) {
  const auto ends = attempt(2, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    Boundary later = after_step(30);
    later.position.batch = 31;  // a batch without an update
    self.checkpointer.save(self.state.snapshot(30), later);
  });
  for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
  EXPECT_THAT(list_checkpoints(files_, kCheckpoints).back(), (CheckpointName{30, 1}));
  EXPECT_EQ(files_.read_link(kCheckpoints / kLastLink), "step-00000030.1");
  EXPECT_EQ(restored_step(3), 30);
}

TEST_F(Fallback, TheVeryStateThatIsThereIsNotWrittenAgain) {
  for (const RankEnd& end : attempt(2, [](TestRank& self) { restore_and_save(self, 30); })) EXPECT_TRUE(end.is_good()) << end.error;
  EXPECT_THAT(list_checkpoints(files_, kCheckpoints).back(), (CheckpointName{30, 0}));
}

TEST_F(Fallback, ATensorThatTheRunDoesNotHaveIsAMatterOfConfigurationNotOfDamage) {
  const auto ends = attempt(2, [](TestRank& self) {
    std::vector<StateEntry> targets = self.state.entries();
    targets.pop_back();
    self.checkpointer.restore("auto", targets);
  });
  for (const RankEnd& end : ends)
    EXPECT_THAT(end.error,
                AllOf(testing::StartsWith("restore from"), HasSubstr("rng/cpu which this run does not have"), HasSubstr("init_from")));
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20, 30)) << "nothing is moved";
}

TEST(FailuresIn, AreToldOnceForRanksThatSayTheSame) {
  const std::string broken = failure_answer("broken"), other = failure_answer("another"), good = "{}";
  EXPECT_EQ(failures_in({good, good}), "");
  EXPECT_EQ(failures_in({good, broken}), "rank 1: broken");
  EXPECT_EQ(failures_in({broken, good, broken}), "ranks 0, 2: broken");
  EXPECT_EQ(failures_in({broken, other, broken}), "ranks 0, 2: broken; rank 1: another");
  EXPECT_EQ(failures_in({broken, broken, broken}), "broken");
}

TEST_F(Fallback, APathThatNamesNothingIsRefusedOnEveryRankAndNothingIsTouched) {
  const Path leftover = kCheckpoints / "step-00000050.pending-1";
  files_.make_directory(leftover);
  files_.append(kRun / "metrics.jsonl", "{}\n");
  for (const auto& [path, folder] : std::map<std::string, std::string>{{"/memory/run/checkpoint/step-00000030", "/memory/run"},
                                                                       {"/memory/run/metrics.jsonl/x", "/memory/run"},
                                                                       {"/memory/nothing", "/memory"},
                                                                       {"/none/of/it", "/"}})
    for (const RankEnd& end : attempt(2, [&](TestRank& self) { self.checkpointer.restore(path, self.state.entries()); }))
      EXPECT_THAT(end.error, AllOf(HasSubstr("resume: " + path + ": expected a checkpoint"), HasSubstr("nothing of that name"),
                                   HasSubstr("look below " + folder + ": a run directory has a folder checkpoints")));
  EXPECT_THAT(steps_on_disk(files_), ElementsAre(10, 20, 30));
  EXPECT_EQ(files_.kind(leftover), FileKind::directory);
}

TEST_F(Fallback, ACheckpointUnderAnotherStepsNameIsRefused) {
  files_.rename_new(kCheckpoints / "step-00000030", kCheckpoints / "step-00000040");
  EXPECT_EQ(restored_step(2), 20);
  EXPECT_THAT(log_, AllOf(HasSubstr("step-00000040"), HasSubstr("expected step-00000030")));
}

TEST(SameTensors, MayLackWhatIsOfAnAverageOnEitherSideAndNothingElse) {
  const auto info = [](const std::string& name) { return TensorInfo{name, DType::f32, {3}, TensorKind::replicated}; };
  const auto differs = [&](const std::vector<std::string>& stored, const std::vector<std::string>& live) -> std::string {
    Manifest manifest;
    for (const std::string& name : stored) manifest.tensors.push_back(info(name));
    std::vector<StateEntry> targets;
    for (const std::string& name : live) targets.push_back({.info = info(name), .slice = {0, 3}, .copy_to = {}, .copy_from = {}});
    try {
      require_same_tensors("step-00000001", manifest, targets, RestoreScope::everything);
      return "";
    } catch (const ConfigError& error) {
      return error.what();
    }
  };
  const std::vector<std::string> parameters = {"model/w", "averages/ema/model/w"};
  const std::vector<std::string> with_buffers = {"model/w", "averages/ema/model/w", "averages/ema/model/running"};
  EXPECT_EQ(differs(parameters, with_buffers), "");
  EXPECT_EQ(differs(with_buffers, parameters), "");
  EXPECT_EQ(differs(with_buffers, {"model/w"}), "");
  EXPECT_EQ(differs({"model/w"}, with_buffers), "");
  EXPECT_THAT(differs(with_buffers, {"averages/ema/model/w"}), HasSubstr("model/w which this run does not have"));
  EXPECT_THAT(differs({"model/w"}, {"model/w", "rng/cpu"}), HasSubstr("restore rng/cpu"));
}

/// The bytes of an entry's live tensor.
std::vector<std::byte> bytes_of(const StateEntry& entry) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(entry.slice.count) * size_of(entry.info.dtype));
  entry.copy_to(0, bytes);
  return bytes;
}

TEST(AnotherWorldSize, ReadsWhatAnyNumberOfRanksHasWritten) {
  const auto unsharded = [](LiveState& state) {
    std::vector<StateEntry> entries = state.entries();
    std::erase_if(entries, [](const StateEntry& entry) { return entry.info.kind == TensorKind::sharded; });
    return entries;
  };
  for (const int writers : {3, 4})
    for (const int readers : {1, 2, 3, 4}) {
      SCOPED_TRACE(fmt::format("written by {} ranks, read by {}", writers, readers));
      MemoryFileSystem files;
      OperationRecord record;
      run_attempt(files, record, writers, 1, 2, [&](TestRank& self) {
        Snapshot snapshot = self.state.snapshot(10);
        self.state.compute(10);
        snapshot.entries = unsharded(self.state);
        self.checkpointer.restore("none", snapshot.entries);
        self.checkpointer.save(snapshot, after_step(10));
      });
      const auto ends = run_attempt(files, record, readers, 2, 2, [&](TestRank& self) {
        const std::vector<StateEntry> entries = unsharded(self.state);
        const auto restored = self.checkpointer.restore("auto", entries);
        ASSERT_TRUE(restored);
        EXPECT_EQ(restored->is_new_rank, self.ranks.rank() >= writers);
        // What each rank has for itself comes from the rank of that number, counted round.
        LiveState written(self.ranks.rank() % writers, writers);
        written.compute(10);
        const std::vector<StateEntry> expected = unsharded(written);
        for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(bytes_of(entries[i]), bytes_of(expected[i])) << entries[i].info.name;
      });
      for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
    }
}

}  // namespace
}  // namespace holdfast
