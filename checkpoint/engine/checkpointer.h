// Saving and restoring, together over all ranks. Owned and called by the training thread; every method but the getters is
// collective. A failed save leaves training state and the checkpoints on disk as they were.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/section.h"
#include "checkpoint/engine/restore.h"
#include "checkpoint/engine/snapshot.h"
#include "checkpoint/format/layout.h"
#include "dist/communicator.h"
#include "options/retention.h"
#include "options/run_options.h"

namespace holdfast {

/// What a run was restored from.
struct Restored {
  Path path;
  Manifest manifest;
  /// False for a checkpoint that `resume` named outside this run's own: its history is another one.
  bool is_of_this_run = false;
  /// True on a rank that did not exist when the checkpoint was written.
  bool is_new_rank = false;
};

class Checkpointer {
 public:
  struct Dependencies {
    Communicator& ranks;
    FileSystem& files;
    const Clock& clock;
    SectionTracker& sections;
  };
  /// `attempt` fences: names of pending directories are unique to it.
  Checkpointer(Dependencies dependencies, RunLayout layout, std::vector<CheckpointOptions> entries, int attempt);

  /// Collective, blocks until the checkpoint is durable and visible, then applies retention. `entries`: names of the
  /// `checkpoints:` entries that want it. Throws StorageError on every rank when any rank failed; the next save tries again.
  void save(const Snapshot& snapshot, const std::vector<std::string>& entries);

  /// Collective, blocks. `resume`: auto | none | a checkpoint or run directory. Fills `targets` from the newest sound checkpoint
  /// (auto, a run directory) or the named one; then this run's damaged ones and those later than the chosen one (all, if that is
  /// another run's) are moved to abandoned-ATTEMPT/. nullopt: start from the beginning. Throws CorruptCheckpoint when there are checkpoints
  /// but none is sound, listing what was tried and why each failed.
  std::optional<Restored> restore(const std::string& resume, const std::vector<StateEntry>& targets);

  /// Collective, blocks. What a restart after a failure is to restore: "auto" as soon as there is a checkpoint of attempt
  /// `first_attempt` or later, else what the first one was to restore. Every rank gets the same answer.
  std::string resume_of_restart(const std::string& resume, int first_attempt);

  /// Collective, blocks: only the tensors below "model/". Throws CorruptCheckpoint when it cannot be read or is damaged, ConfigError
  /// when its tensors are not those of `targets`.
  Manifest load_weights(const Path& checkpoint, const std::vector<StateEntry>& targets);

  /// The newest step that is committed; -1: none.
  std::int64_t durable_step() const { return durable_step_; }

 private:
  /// A record of the shard, or why there is none, as JSON.
  std::string write_my_shard(const Snapshot& snapshot, const std::string& pending);
  ShardRecord write_parts(const Snapshot& snapshot, const std::string& pending);
  void commit(const Snapshot& snapshot, const std::string& pending, const CheckpointName& name, const std::vector<std::string>& shards,
              const std::vector<std::string>& entries);
  /// Rank 0, after a failure: removes what was written so far, if it can.
  void discard(const std::string& pending);
  void apply_retention();
  CheckpointName next_name(std::int64_t step) const;
  /// Collective: what failed on the ranks, each having said {} or {error, is_configuration}; empty: nothing. Throws ConfigError.
  std::string verdict_on(const nlohmann::json& mine);
  std::optional<Restored> try_restore(const Path& path, const std::vector<StateEntry>& targets, RestoreScope scope, std::string& failure);
  std::vector<Path> paths_to_try(const std::string& resume);
  /// Rank 0: what is on disk from now on belongs to the run that goes on from `chosen` (null: from the beginning).
  void take_over(const Restored* chosen, const std::vector<Path>& damaged);
  /// Rank 0, before the others are moved away: `last` names the one that the run goes on from, or is removed.
  void move_last();
  void read_history();

  Communicator& ranks_;
  FileSystem& files_;
  const Clock& clock_;
  SectionTracker& sections_;
  RunLayout layout_;
  std::vector<CheckpointOptions> entries_;
  int attempt_;
  std::int64_t durable_step_ = -1;
  std::vector<StoredState> history_;            // rank 0: what is on disk, oldest first
  std::optional<CheckpointName> resumed_from_;  // never deleted by this attempt
  std::vector<std::byte> staging_;              // kept from save to save
};

}  // namespace holdfast
