// What a save writes beside the whole state: its weights alone, in a directory of their own, and transformed copies, which are part of
// the state's directory and appear with it.
#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "checkpoint/format/diff.h"
#include "checkpoint/format/stored_tensor.h"
#include "checkpoint/format/verify.h"
#include "training.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

const Path kCheckpoints = RunLayout{kRun}.checkpoints();
const std::vector<CheckpointOptions> kPolicy = {{.name = "regular", .every_steps = 20, .limit = 1, .transforms = {"inverse"}},
                                                {.name = "light", .every_steps = 10, .limit = -1, .weights_only = true}};

/// A copy with every bit inverted; it fails on `failing_rank`.
TransformedWeights inverse(TestRank& self, int failing_rank) {
  return {"inverse", [&self, failing_rank] {
            std::vector<StateEntry> entries = weights_of(self.state.entries());
            for (StateEntry& entry : entries)
              entry.copy_to = [&self, failing_rank, copy = entry.copy_to](std::uint64_t offset, std::span<std::byte> into) {
                if (self.ranks.rank() == failing_rank) throw std::runtime_error("the transform has failed");
                copy(offset, into);
                for (std::byte& byte : into) byte = ~byte;
              };
            return entries;
          }};
}

std::vector<std::string> directories(FileSystem& files) {
  std::vector<std::string> names;
  for (const CheckpointName& name : list_all_checkpoints(files, kCheckpoints)) names.push_back(directory_name(name));
  return names;
}

class Bundle : public testing::Test {
 protected:
  std::vector<RankEnd> attempt(MemoryFileSystem& files, OperationRecord& record, int number, const std::function<void(TestRank&)>& body,
                               int world_size = 2) {
    return run_attempt(files, record, world_size, number, kPolicy, body);
  }
  void undisturbed(int number, const std::function<void(TestRank&)>& body, int world_size = 2) {
    OperationRecord record;
    for (const RankEnd& end : attempt(files_, record, number, body, world_size)) EXPECT_TRUE(end.is_good()) << end.error;
  }
  static std::optional<SaveResult> save(TestRank& self, std::int64_t step, int failing_rank = -1) {
    self.state.compute(step);
    Snapshot snapshot = self.state.snapshot(step);
    snapshot.transforms = {inverse(self, failing_rank)};
    Boundary here = after_step(step);
    here.step.step_before = step - 10;
    if (!self.checkpointer.begin_save(std::move(snapshot), here)) return std::nullopt;
    return self.checkpointer.finish_save();
  }
  MemoryFileSystem files_;
};

TEST_F(Bundle, WeightsAloneStayAndGoApartFromTheStatesThatARunGoesOnFrom) {
  undisturbed(1, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    for (const std::int64_t step : {10, 20, 30, 40, 50}) {
      EXPECT_EQ(save(self, step)->failure, "");
      EXPECT_EQ(self.checkpointer.durable_step(), step == 10 ? -1 : step / 20 * 20) << "only what a run can go on from";
    }
    self.checkpointer.settle();
  });
  EXPECT_THAT(directories(files_), ElementsAre("weights-00000010", "weights-00000020", "weights-00000030", "step-00000040",
                                               "weights-00000040", "weights-00000050"));
  EXPECT_EQ(files_.read_link(kCheckpoints / kLastLink), "step-00000040");
  const Manifest weights = read_manifest(files_, kCheckpoints / "weights-00000040");
  EXPECT_EQ(weights.role, "weights_only");
  EXPECT_FALSE(weights.is_resumable);
  EXPECT_THAT(weights.entries, ElementsAre("light"));
  std::vector<std::string> names;
  for (const TensorInfo& tensor : weights.tensors) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("model/a", "model/b", "model/empty", "global_step"));
  EXPECT_THAT(read_manifest(files_, kCheckpoints / "step-00000040").entries, ElementsAre("regular"));

  undisturbed(2, [](TestRank& self) {
    const auto restored = self.checkpointer.restore("auto", self.state.entries());
    EXPECT_EQ(restored->manifest.global_step, 40);
    EXPECT_TRUE(self.state.is_that_of(40));
  });
  EXPECT_THAT(directories(files_),
              ElementsAre("weights-00000010", "weights-00000020", "weights-00000030", "step-00000040", "weights-00000040"))
      << "later weights are in the way of a run that goes on from step 40";
}

TEST_F(Bundle, WeightsThatTheStateToGoOnFromKeepsAreThereAfterADeath) {
  const std::vector<CheckpointOptions> policy = {{.name = "regular", .every_steps = 20, .limit = 1},
                                                 {.name = "light", .every_steps = 10, .limit = 1, .weights_only = true}};
  for (const int number : {1, 2}) {
    OperationRecord record;
    const std::vector<RankEnd> ends = run_attempt(files_, record, 2, number, policy, [&](TestRank& self) {
      EXPECT_EQ(restore_whole(self), number == 1 ? -1 : 20);
      if (number == 1)
        for (const std::int64_t step : {10, 20, 30}) save(self, step);
      self.checkpointer.settle();
    });
    for (const RankEnd& end : ends) EXPECT_TRUE(end.is_good()) << end.error;
    EXPECT_EQ(files_.kind(kCheckpoints / "weights-00000010"), FileKind::none);
    EXPECT_EQ(files_.kind(kCheckpoints / "weights-00000020"), FileKind::directory);
  }
  EXPECT_EQ(files_.read_link(kCheckpoints / "light" / "epoch=0-step=20"), "../weights-00000020");
}

TEST_F(Bundle, TransformedCopiesLieInTheStateAndAreMadeOfIt) {
  for (const int world_size : {1, 2, 3}) {
    remove_tree(files_, kRun);
    undisturbed(
        1,
        [](TestRank& self) {
          self.checkpointer.restore("auto", self.state.entries());
          EXPECT_EQ(save(self, 20)->failure, "");
          EXPECT_TRUE(self.state.is_that_of(20)) << "the live state is never touched";
        },
        world_size);
    const Path state = kCheckpoints / "step-00000020", copy = state / "inverse";
    EXPECT_THAT(verify_checkpoint(files_, state), IsEmpty());
    const Manifest original = read_manifest(files_, state), made = read_manifest(files_, copy);
    EXPECT_THAT(original.transformed, ElementsAre("inverse"));
    EXPECT_EQ(original.role, "original");
    EXPECT_EQ(made.role, "transformed:inverse");
    EXPECT_EQ(made.original, original.id);
    EXPECT_FALSE(made.is_resumable);
    for (const TensorInfo& tensor : made.tensors) {
      if (!tensor.name.starts_with(kModelPrefix)) continue;
      std::vector<std::byte> expected = TensorReader(files_, state, original).read(tensor);
      for (std::byte& byte : expected) byte = ~byte;
      EXPECT_EQ(TensorReader(files_, copy, made).read(tensor), expected) << tensor.name;
    }
    EXPECT_THAT(diff_checkpoints(files_, state, state), IsEmpty());
    files_.flip_bit(copy / shard_name(0, world_size), made.shards[0].pieces[0].file_offset);
    EXPECT_THAT(verify_checkpoint(files_, state), ElementsAre(testing::Field(&Finding::shard, "inverse/" + shard_name(0, world_size))));
  }
}

TEST_F(Bundle, TwoAreComparedWithTheirCopiesAndTheTrainersStateOnce) {
  const Path a = kRun / "before", b = kCheckpoints / "step-00000040";
  for (const std::int64_t step : {20, 40}) {
    undisturbed(1, [step](TestRank& self) {
      self.checkpointer.restore("auto", self.state.entries());
      save(self, step);
      self.checkpointer.settle();
    });
    if (step == 20) files_.rename_new(kCheckpoints / "step-00000020", a);
  }
  std::vector<std::string> names;
  for (const TensorDifference& difference : diff_checkpoints(files_, a, b)) names.push_back(difference.tensor);
  EXPECT_THAT(names, IsSupersetOf({"model/a", "inverse/model/a", "state/global_step"}));
  EXPECT_THAT(names, Not(Contains(StartsWith("inverse/state"))));
}

TEST_F(Bundle, WhatNoRunCanGoOnFromIsRefusedAndSaysWhatToUseInstead) {
  undisturbed(1, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    save(self, 20);
  });
  const std::string state = (kCheckpoints / "step-00000020").string();
  undisturbed(2, [&](TestRank& self) {
    // Rank 0 finds paths in the real file system, which has none of this.
    const auto resume = [&](const Path& from) { self.checkpointer.restore(from.string(), self.state.entries()); };
    EXPECT_THAT(
        [&] { resume(kCheckpoints / "step-00000020" / "inverse"); },
        testing::ThrowsMessage<ConfigError>(AllOf(HasSubstr("expected a state that a run can go on from, found role transformed:inverse"),
                                                  HasSubstr("`resume: " + state + "` goes on from its original"))));
    EXPECT_THAT([&] { resume(kCheckpoints / "weights-00000020"); },
                testing::ThrowsMessage<ConfigError>(AllOf(HasSubstr("found role weights_only"),
                                                          HasSubstr("`resume: " + kRun.string() + "` goes on from the newest whole state"),
                                                          HasSubstr("`init_from: " + (kCheckpoints / "weights-00000020").string()))));
    self.state.compute(1);
    self.checkpointer.load_weights(kCheckpoints / "weights-00000020", [&](const Manifest&) { return self.state.entries(); });
    const std::vector<StateEntry> weights = weights_of(self.state.entries());
    std::vector<std::byte> loaded(weights[0].info.bytes()), expected(loaded.size());
    weights[0].copy_to(0, loaded);
    self.state.compute(20);
    weights[0].copy_to(0, expected);
    EXPECT_EQ(loaded, expected);
  });
}

TEST_F(Bundle, ACopyThatWasMovedIntoAnotherStateIsNotLoadedForThatOnes) {
  undisturbed(1, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    save(self, 20);
  });
  const Path state = kCheckpoints / "step-00000020", aside = kRun / "aside";
  files_.rename_new(state / "inverse", aside);
  remove_tree(files_, kCheckpoints);
  undisturbed(2, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    save(self, 20);
  });
  const auto load = [](TestRank& self, const Path& copy) {
    self.checkpointer.load_weights(copy, [&](const Manifest&) { return self.state.entries(); });
  };
  undisturbed(3, [&](TestRank& self) { EXPECT_NO_THROW(load(self, state / "inverse")); });
  remove_tree(files_, state / "inverse");
  files_.rename_new(aside, state / "inverse");
  undisturbed(3, [&](TestRank& self) {
    EXPECT_THAT([&] { load(self, state / "inverse"); },
                testing::ThrowsMessage<CorruptCheckpoint>(AllOf(HasSubstr("expected role transformed:inverse of step-00000020, original "),
                                                                HasSubstr("move it back to the state that it was made of"))));
  });
}

TEST_F(Bundle, WhereOwnCodeMayChangeTheStateAtAnyTimeAllOfItAndItsCopiesAreTakenBeforeBeginReturns) {
  undisturbed(1, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    self.state.compute(20);
    Snapshot snapshot = self.state.snapshot(20);
    const std::thread::id training = std::this_thread::get_id();
    const auto on_training_thread = [training](std::vector<StateEntry> entries) {
      for (StateEntry& entry : entries) {
        entry.changes_only_in_update = true;
        entry.copy_to = [training, copy = entry.copy_to](std::uint64_t offset, std::span<std::byte> into) {
          if (std::this_thread::get_id() != training) throw std::runtime_error("copied while the training goes on");
          copy(offset, into);
        };
      }
      return entries;
    };
    snapshot.entries = on_training_thread(snapshot.entries);
    snapshot.transforms = {{"inverse", [&self, on_training_thread] { return on_training_thread(weights_of(self.state.entries())); }}};
    snapshot.changes_at_any_time = true;
    Boundary here = after_step(20);
    here.step.step_before = 10;
    ASSERT_TRUE(self.checkpointer.begin_save(std::move(snapshot), here));
    self.state.compute(21);
    const SaveResult result = self.checkpointer.finish_save().value();
    EXPECT_EQ(result.failure, "");
    EXPECT_THAT(result.failed_transforms, IsEmpty());
  });
  undisturbed(2, [](TestRank& self) { EXPECT_EQ(restore_whole(self), 20); });
  EXPECT_THAT(read_manifest(files_, kCheckpoints / "step-00000020").transformed, ElementsAre("inverse"));
}

TEST_F(Bundle, AFailingTransformCostsOnlyItselfAndTheNextSaveTriesAgain) {
  undisturbed(1, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    const SaveResult result = save(self, 20, /*failing_rank=*/1).value();
    EXPECT_EQ(result.failure, "");
    EXPECT_EQ(self.checkpointer.durable_step(), 20);
    if (self.ranks.rank() == 0) {
      EXPECT_THAT(result.failed_transforms, ElementsAre("inverse: rank 1: the transform has failed"));
    }
  });
  EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / "step-00000020"), IsEmpty());
  EXPECT_THAT(read_manifest(files_, kCheckpoints / "step-00000020").transformed, IsEmpty());
  undisturbed(2, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    EXPECT_TRUE(self.state.is_that_of(20));
    EXPECT_THAT(save(self, 40)->failed_transforms, IsEmpty());
  });
  EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / "step-00000040"), IsEmpty());
  EXPECT_THAT(read_manifest(files_, kCheckpoints / "step-00000040").transformed, ElementsAre("inverse"));
}

TEST_F(Bundle, ACopyThatTheDiskDoesNotTakeIsLeftOutAndTheNextSaveWritesIt) {
  for (const std::string& name : {shard_name(1, 2), std::string(kManifestName)}) {
    remove_tree(files_, kRun);
    bool has_failed = false;
    OperationRecord full([&](const Operation& operation) {
      if (has_failed || operation.verb != "write" || operation.path.parent_path().filename() != "inverse" ||
          operation.path.filename() != name)
        return;
      has_failed = true;
      throw StorageError(ErrorText{.attempted = "write " + operation.path.string(), .cause = "no space left on device"});
    });
    for (const RankEnd& end : attempt(files_, full, 1, [&](TestRank& self) {
           self.checkpointer.restore("auto", self.state.entries());
           const SaveResult result = save(self, 20).value();
           EXPECT_EQ(result.failure, "");
           if (self.ranks.rank() == 0) {
             EXPECT_THAT(result.failed_transforms,
                         ElementsAre(AllOf(StartsWith("inverse: "), HasSubstr(name), HasSubstr("no space left on device"))));
           }
         }))
      EXPECT_TRUE(end.is_good()) << end.error;
    EXPECT_TRUE(has_failed) << name;
    EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / "step-00000020"), IsEmpty());
    EXPECT_THAT(read_manifest(files_, kCheckpoints / "step-00000020").transformed, IsEmpty());
    EXPECT_EQ(files_.kind(kCheckpoints / "step-00000020" / "inverse"), FileKind::none);
    undisturbed(2, [](TestRank& self) {
      self.checkpointer.restore("auto", self.state.entries());
      EXPECT_THAT(save(self, 40)->failed_transforms, IsEmpty());
    });
    EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / "step-00000040"), IsEmpty());
    EXPECT_THAT(read_manifest(files_, kCheckpoints / "step-00000040").transformed, ElementsAre("inverse"));
  }
}

TEST_F(Bundle, AStateThatCannotBePublishedTakesItsWeightsBackIfOnlyByTheNextSave) {
  using Renames = std::set<std::string>;
  for (const Renames& failing : {Renames{"step-00000020"}, Renames{"step-00000020", "weights-00000020.deleting"}})
    for (const std::int64_t next : {20, 40}) {
      remove_tree(files_, kRun);
      Renames left = failing;
      OperationRecord record([&](const Operation& operation) {
        if (operation.verb == "rename to" && left.erase(operation.path.filename()) > 0)
          throw StorageError(ErrorText{.attempted = "rename to " + operation.path.filename().string(), .cause = "injected by the test"});
      });
      for (const RankEnd& end : attempt(files_, record, 1, [&](TestRank& self) {
             self.checkpointer.restore("auto", self.state.entries());
             EXPECT_THAT(save(self, 20)->failure, HasSubstr("rename to step-00000020"));
             EXPECT_EQ(self.checkpointer.durable_step(), -1);
             EXPECT_EQ(save(self, next)->failure, "");
             self.checkpointer.settle();
           }))
        EXPECT_TRUE(end.is_good()) << end.error;
      EXPECT_THAT(left, IsEmpty());
      EXPECT_THAT(directories(files_), ElementsAre(directory_name({next, 0, false}), directory_name({next, 0, true})));
      for (const std::string& name : directories(files_)) EXPECT_THAT(verify_checkpoint(files_, kCheckpoints / name), IsEmpty()) << name;
    }
}

TEST_F(Bundle, ADeathAtAnyOperationLeavesWholeBundlesAndAKnownState) {
  undisturbed(1, [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    save(self, 20);
  });
  for (const Path& directory : {Path("/"), Path("/memory"), kRun}) files_.sync_directory(directory);
  const auto body = [](TestRank& self) {
    self.checkpointer.restore("auto", self.state.entries());
    save(self, 40);
    self.checkpointer.settle();
  };
  MemoryFileSystem trial(files_);
  OperationRecord record;
  attempt(trial, record, 2, body);
  int cuts = 0;
  for (int rank = 0; rank < 2; ++rank) {
    const std::vector<Operation> operations = record.operations();
    const auto count =
        std::count_if(operations.begin(), operations.end(), [rank](const Operation& operation) { return operation.rank == rank; });
    for (auto operation = std::size_t{0}; operation < static_cast<std::size_t>(count); ++operation) {
      MemoryFileSystem cut_off(files_);
      OperationRecord cut(Fault{rank, operation, Fault::Kind::killed});
      attempt(cut_off, cut, 2, body);
      for (const bool is_kept : {true, false}) {  // what is not synced
        MemoryFileSystem files = cut_off.crashed(std::vector<bool>(cut_off.unsynced(), is_kept));
        for (const CheckpointName& name : list_all_checkpoints(files, kCheckpoints)) {
          ASSERT_THAT(verify_checkpoint(files, kCheckpoints / directory_name(name)), IsEmpty()) << directory_name(name);
          const Manifest manifest = read_manifest(files, kCheckpoints / directory_name(name));
          ASSERT_EQ(manifest.transformed.size(), name.is_weights ? 0u : 1u);
        }
        OperationRecord again;
        const auto ends = attempt(files, again, 3, [](TestRank& self) {
          const auto restored = self.checkpointer.restore("auto", self.state.entries());
          ASSERT_TRUE(restored);
          ASSERT_TRUE(self.state.is_that_of(restored->manifest.global_step));
          save(self, 60);
          self.checkpointer.settle();
        });
        for (const RankEnd& end : ends) ASSERT_TRUE(end.is_good()) << end.error;
        const std::vector<std::string> left = directories(files);
        ASSERT_THAT(
            left, testing::AnyOf(ElementsAre("weights-00000020", "step-00000040", "weights-00000040", "step-00000060", "weights-00000060"),
                                 ElementsAre("step-00000020", "weights-00000020", "step-00000060", "weights-00000060")))
            << "rank " << rank << ", operation " << operation << ", kept " << is_kept;
        ++cuts;
      }
    }
  }
  EXPECT_GT(cuts, 180);
}

}  // namespace
}  // namespace holdfast
