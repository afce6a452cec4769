// A directory of checkpoints in memory, as real saves of two ranks have left it.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "checkpoint/format/verify.h"
#include "checkpoint/store/inventory.h"
#include "tests/unit/engine/power_loss.h"
#include "tests/unit/engine/training.h"

namespace holdfast {

class StoredRun : public testing::Test {
 protected:
  const Path checkpoints_ = RunLayout{kRun}.checkpoints();

  /// An attempt that goes on from the newest state and saves those of `steps`, all of which its entry keeps.
  void save(int attempt, const std::vector<std::int64_t>& steps, std::int64_t limit = -1) {
    save(attempt, steps, {{.name = "regular", .every_steps = 1, .limit = limit}});
  }
  void save(int attempt, const std::vector<std::int64_t>& steps, const std::vector<CheckpointOptions>& policy) {
    OperationRecord record;
    const auto ends = run_attempt(files_, record, 2, attempt, policy, [&](TestRank& self) {
      self.checkpointer.restore("auto", self.state.entries());
      for (const std::int64_t step : steps) {
        self.state.compute(step);
        self.checkpointer.save(self.state.snapshot(step), after_step(step));
      }
    });
    for (const RankEnd& end : ends) ASSERT_TRUE(end.is_good()) << end.error;
  }
  Path state(std::int64_t step) const { return checkpoints_ / directory_name({step, 0}); }
  std::map<std::string, std::string> names(FileSystem& files) const {
    std::map<std::string, std::string> found;
    for (const NameLink& link : list_names(files, checkpoints_)) found[link.path] = link.target;
    return found;
  }
  void expect_all_sound(FileSystem& files) const {
    for (const std::int64_t step : steps_on_disk(files))
      EXPECT_THAT(verify_checkpoint(files, state(step)), testing::IsEmpty()) << "step " << step;
  }
  /// The step that an attempt finds.
  std::int64_t restored_step(MemoryFileSystem& files, int attempt) const {
    std::vector<std::int64_t> found(2, -2);
    OperationRecord record;
    run_attempt(files, record, 2, attempt, -1, [&](TestRank& self) {
      const auto restored = self.checkpointer.restore("auto", self.state.entries());
      found[static_cast<std::size_t>(self.ranks.rank())] = restored ? restored->manifest.global_step : -1;
    });
    EXPECT_EQ(found[0], found[1]);
    return found[0];
  }
  /// Cuts `change` at each of its file operations: by a kill, and by losses of power that leave any subset of what was not synced.
  /// Calls `check` on every disk that this can leave, once. Returns how many there were.
  std::size_t cut_everywhere(const std::function<void(FileSystem&)>& change, const std::function<void(MemoryFileSystem&)>& check) const {
    const MemoryFileSystem before = files_.crashed(Subset(files_.unsynced(), true));  // everything synced
    std::set<Digest> seen;
    const auto check_once = [&](MemoryFileSystem&& left) {
      if (seen.insert(left.image()).second) check(left);
    };
    for (std::size_t at = 0;; ++at) {
      MemoryFileSystem files(before);
      OperationRecord record(Fault{.rank = 0, .operation = at});
      FaultyFileSystem view(files, record, 0);
      try {
        change(view);
        return seen.size();  // it has no more operations
      } catch (const Killed&) {
      }
      SCOPED_TRACE(fmt::format("cut at operation {}: {} {}", at, record.struck()->verb, record.struck()->path.string()));
      for (const Subset& subset : subsets_of(files.unsynced(), kSubsets, at)) check_once(files.crashed(subset));
      check_once(std::move(files));
    }
  }

  static constexpr std::size_t kSubsets = 24;  // where there are too many
  MemoryFileSystem files_;
};

}  // namespace holdfast
