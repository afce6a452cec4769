// Saving and restoring, together over all ranks. Owned and called by the training thread. At most one save is in flight: its
// bytes are copied, hashed and written by threads of the engine while training goes on, and its end is agreed on by the votes
// of the steps. A failed save leaves training state and the checkpoints on disk as they were.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/section.h"
#include "checkpoint/engine/replicas.h"
#include "checkpoint/engine/restore.h"
#include "checkpoint/engine/shard_save.h"
#include "checkpoint/engine/snapshot.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/store/store.h"
#include "dist/communicator.h"
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
  /// From files, by this rank.
  std::uint64_t bytes_read = 0;
};

/// How a save has ended.
struct SaveResult {
  std::int64_t global_step = 0;
  double seconds = 0;   // from its begin until all ranks knew
  std::string failure;  // empty: the checkpoint is durable and visible
  /// The failure is that ranks have different bits in what should be the same: their state cannot be trusted.
  bool is_corruption = false;
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

  /// Collective. Rank 0 holds `boundary` (all but its minutes) against the entries of `checkpoints:`; false: none wants the state, or it is
  /// on disk already. Else takes what may change at any time, and returns while the rest is copied and written. No other save
  /// may be in flight. What goes wrong is told by the result, but for a tensor that the save before had and this one has not, or with
  /// another shape or dtype: that is an Error.
  bool begin_save(Snapshot snapshot, Boundary boundary);
  /// Blocks until the live state may be changed by an update; no matter if nothing is in flight. Local.
  void finish_staging();
  /// Adds what this rank knows of the save in flight, and whether an entry's every_minutes have passed.
  void state_facts(Vote& mine) const;
  /// Collective, after a vote to which every rank has stated its facts: takes the save in flight as far as it goes without
  /// waiting for a disk. Its result, once, when it has ended.
  std::optional<SaveResult> advance(const Vote& combined);
  /// Collective, blocks until the save in flight has ended. nullopt: there was none.
  std::optional<SaveResult> finish_save();
  bool is_saving() const { return in_flight_ != nullptr; }
  /// Blocks until what follows a commit (`last`, retention) is done too; saves and restores do that by themselves. Local.
  void settle();
  /// Collective, blocks: all of it. Throws StorageError on every rank when any rank failed.
  void save(const Snapshot& snapshot, const Boundary& boundary);

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
  /// How rank 0's part has ended.
  struct Publication {
    std::string failure;  // empty: none
    std::optional<Disagreement> disagreement;
  };
  /// The save in flight: shards are being written, then rank 0 is publishing.
  struct InFlight {
    Snapshot snapshot;
    Decision decision;  // rank 0
    CheckpointName name;
    double begin_seconds = 0;
    std::string failure;                 // so far
    bool has_failed_everywhere = false;  // no rank has begun a shard, and each knows why
    std::unique_ptr<ShardSave> shard;    // null: none was begun, or its record has been collected
    bool is_publishing = false;
    std::future<std::string> facts;        // rank 0: the manifest without its shards
    std::future<Publication> publication;  // rank 0
  };

  /// Every tensor of the save before is there, as it was.
  void require_complete(const std::vector<StateEntry>& entries);
  /// Collective: rank 0 decides, and makes the pending directory; every rank gets the name, or the failure. False: nothing is to be saved.
  bool agree_on_name(InFlight& save, Boundary boundary);
  /// Of training, over all attempts. Rank 0.
  double minutes() const { return minutes_before_ + (clock_.seconds() - start_seconds_) / 60; }
  void begin_shard(InFlight& save);
  /// Collective, blocks until this rank's shard has ended: hands all records to rank 0, which begins to publish.
  void collect();
  /// Collective, blocks until rank 0 has published.
  SaveResult conclude();
  /// Rank 0, in a thread of its own: says what has failed as soon as the checkpoint is durable or is not, then tidies up.
  void publish(const std::vector<std::string>& answers, const std::vector<std::string>& reports, std::promise<Publication>& told);
  /// Collective: rank 0's, on every rank.
  Publication agree_on(const Publication& mine);
  Manifest facts_of(const InFlight& save) const;

  /// Collective: what failed on the ranks, each having said {} or {error, is_configuration}; empty: nothing. Throws ConfigError.
  std::string verdict_on(const nlohmann::json& mine);
  std::optional<Restored> try_restore(const Path& path, const std::vector<StateEntry>& targets, RestoreScope scope, std::string& failure);
  std::vector<Path> paths_to_try(const std::string& resume);
  void take_over(const Restored* chosen, const std::vector<Path>& damaged);

  Communicator& ranks_;
  FileSystem& files_;
  const Clock& clock_;
  SectionTracker& sections_;
  RunLayout layout_;
  int attempt_;
  CheckpointStore store_;      // rank 0
  PolicyState asked_;          // rank 0: after the newest decision, whatever became of the save
  double minutes_before_ = 0;  // of the attempts that led to what was restored
  double start_seconds_;       // when this attempt's training began
  std::int64_t durable_step_ = -1;
  std::int64_t save_number_ = 0;           // of the newest save, or of what was restored
  std::vector<TensorInfo> saved_tensors_;  // of the newest save
  ShardImage image_;                       // kept from save to save
  std::unique_ptr<InFlight> in_flight_;    // behind image_: its threads use that
  std::future<void> publishing_;           // rank 0: outlives the save that it publishes
};

}  // namespace holdfast
