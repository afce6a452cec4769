// What a loss of power can leave of a save, cut at every file operation of every rank: every subset of what was not synced.
//
// HOLDFAST_CRASH_SUBSETS=N: how many subsets of a cut are tried where it has more than 1,000 (default 24).
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "disturbed_save.h"
#include "power_loss.h"

namespace holdfast {
namespace {

constexpr std::size_t kStates = 10000;  // that have to come together

/// A moment in a save: the rank stands before an operation.
struct Moment {
  Operation operation;
  std::size_t number = 0;  // of the rank's operations
  bool others_go_on = false;
  MemoryFileSystem disk;
  Progress progress;
  std::string name() const {
    return fmt::format("rank {} before its operation {} ({} {}), the others {}", operation.rank, number, operation.verb,
                       operation.path.string(), others_go_on ? "as far as they can get" : "where they are");
  }
};

/// Before each operation that changes or syncs something, with the other ranks where they are then.
void collect_moments(const DisturbedSave& save, std::vector<Moment>& moments) {
  MemoryFileSystem files(save.before());
  std::vector<std::size_t> done(static_cast<std::size_t>(save.world_size()));
  std::vector<Operation> before;
  OperationRecord record([&](const Operation& operation) {
    const std::size_t number = done[static_cast<std::size_t>(operation.rank)]++;
    if (operation.changes_or_syncs()) moments.push_back({operation, number, false, files, DisturbedSave::progress_of(before, operation)});
    before.push_back(operation);
  });
  for (const RankEnd& end : save.attempt(files, record)) ASSERT_TRUE(end.is_good()) << end.error;
}

/// Likewise, with the other ranks where they wait for this one; one attempt each.
void collect_late_moments(const DisturbedSave& save, std::vector<Moment>& moments) {
  const std::size_t count = moments.size();
  for (std::size_t i = 0; i < count; ++i) {
    MemoryFileSystem files(save.before());
    OperationRecord record(Fault{moments[i].operation.rank, moments[i].number, Fault::Kind::killed});
    save.attempt(files, record);
    ASSERT_TRUE(record.struck());
    if (files.image() == moments[i].disk.image() && files.unsynced() == moments[i].disk.unsynced()) continue;  // nobody had further to go
    moments.push_back(
        {*record.struck(), moments[i].number, true, files, DisturbedSave::progress_of(record.operations(), *record.struck())});
  }
}

/// Restores what is left, each disk once: equal names and bytes are restored alike.
class Recovery {
 public:
  explicit Recovery(const DisturbedSave& save) : save_(save) {}
  std::int64_t step_of(MemoryFileSystem&& left) {
    const auto [known, is_new] = steps_.try_emplace(left.image(), 0);
    if (is_new) known->second = save_.restored_step(left);
    return known->second;
  }
  std::size_t disks() const { return steps_.size(); }

 private:
  const DisturbedSave& save_;
  std::map<Digest, std::int64_t> steps_;
};

struct Count {
  std::size_t states = 0, disks = 0, moments = 0;
};

void try_all(const Scenario& scenario, std::size_t sample, Count& count) {
  const DisturbedSave save(scenario);
  std::vector<Moment> moments;
  collect_moments(save, moments);
  collect_late_moments(save, moments);
  Recovery recovery(save);
  for (const Moment& moment : moments) {
    const bool must_be_new = moment.progress.is_durable, must_be_old = !moment.progress.is_renamed;
    const std::size_t changes = moment.disk.unsynced();
    for (const Subset& subset : subsets_of(changes, sample, count.moments)) try {
        save.require_right(recovery.step_of(moment.disk.crashed(subset)), must_be_new, must_be_old);
        ++count.states;
      } catch (const std::exception& error) {
        FAIL() << scenario.name << ", " << moment.name() << ", of what was not synced these have arrived: " << text_of(subset) << "\n"
               << error.what();
      }
    // What is left is also good to go on with.
    for (const bool is_kept : {true, false}) {
      MemoryFileSystem left = moment.disk.crashed(Subset(changes, is_kept));
      save.require_right(save.restored_step_of_a_run_that_goes_on(left), must_be_new, must_be_old);
    }
    ++count.moments;
  }
  count.disks += recovery.disks();
}

TEST(PowerLoss, OfAnySubsetOfWhatIsNotSyncedLeavesTheNewStepOrTheOneBefore) {
  set_up_log("test", LogLevel::error);
  const char* asked = std::getenv("HOLDFAST_CRASH_SUBSETS");
  const std::size_t sample = asked ? std::stoul(asked) : 24;
  Count count;
  for (const Scenario& scenario : {Scenario{"first save", 4, {}, 2, false}, Scenario{"save with retention", 4, {10, 20, 30}, 2, false},
                                   Scenario{"save over a leftover", 4, {10}, 2, true}}) {
    try_all(scenario, sample, count);
    if (HasFatalFailure()) return;
  }
  std::cout << count.states << " crash states at " << count.moments << " moments, " << count.disks << " different disks\n";
  EXPECT_GE(count.states, kStates);
}

}  // namespace
}  // namespace holdfast
