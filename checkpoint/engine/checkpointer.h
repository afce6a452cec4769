// Saving and restoring, together over all ranks. Owned and called by the training thread. At most one save is in flight: its
// bytes are copied, hashed and written by threads of the engine while training goes on, and its end is agreed on by the votes
// of the steps. A failed save leaves training state and the checkpoints on disk as they were.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/section.h"
#include "checkpoint/engine/replicas.h"
#include "checkpoint/engine/restore.h"
#include "checkpoint/engine/save_result.h"
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
  void add_facts_to(Vote& mine) const;
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
  /// another run's) are moved to abandoned-ATTEMPT/. nullopt: start from the beginning. Throws ConfigError when `resume`
  /// names none, CorruptCheckpoint when there are checkpoints but none is sound, listing what was tried and why each failed.
  std::optional<Restored> restore(const std::string& resume, const std::vector<StateEntry>& targets);

  /// Collective: the checkpoint that `path` names, or the states of the run directory, newest first; at least one. Throws ConfigError about
  /// `key` where there is none.
  std::vector<Path> given(const std::string& key, const Path& path);

  /// Collective, blocks. What a restart after a failure is to restore: "auto" as soon as there is a checkpoint of attempt
  /// `first_attempt` or later, else what the first one was to restore. Every rank gets the same answer.
  std::string resume_of_restart(const std::string& resume, int first_attempt);

  /// What is to be filled, once the manifest is known.
  using Targets = std::function<std::vector<StateEntry>(const Manifest&)>;
  /// Collective, blocks: only the tensors below "model/", of a checkpoint of any role. Throws CorruptCheckpoint when it cannot be read or
  /// is damaged, ConfigError when its tensors are not those of `targets`.
  Manifest load_weights(const Path& checkpoint, const Targets& targets);

  /// Collective: the best state that an entry keeps, by what it monitors. nullopt: it has none.
  std::optional<Path> best_of(const std::string& entry);

  /// The newest step that is committed and that a run can go on from; -1: none.
  std::int64_t durable_step() const { return durable_step_; }

 private:
  /// How rank 0's part has ended.
  struct Publication {
    std::string failure;  // empty: none
    std::optional<Disagreement> disagreement;
    std::vector<std::string> failed_transforms = {};
  };
  /// A directory that a save writes shards to: the state, its weights alone, or a transformed copy inside one of them.
  struct SavePart {
    CheckpointName state;
    std::string copy;                    // name of the transform; empty: the state itself
    std::string id = {}, original = {};  // the latter: of the state itself, which a copy is made of
    std::vector<StateEntry> entries = {};
    std::string failure = {};               // of this rank, so far
    std::unique_ptr<ShardSave> shard = {};  // null: none was begun, or its record has been collected
    /// Rank 0: the manifest without its shards. Its thread reads of all parts this one alone: they go one by one.
    std::future<std::string> facts = {};
  };
  /// The save in flight: shards are being written, then rank 0 is publishing.
  struct InFlight {
    Snapshot snapshot;
    Decision decision;  // rank 0
    std::vector<SavePart> parts;
    double begin_seconds = 0;
    std::uint64_t bytes = 0;             // rank 0
    bool is_emergency = false;           // saved because a rank has failed
    std::string failure;                 // that all ranks know of
    bool has_failed_everywhere = false;  // no rank has begun a shard
    bool is_publishing = false;
    std::future<Publication> publication;  // rank 0
  };

  /// Every tensor of the save before is there, as it was.
  void require_complete(const std::vector<StateEntry>& entries);
  /// Collective: rank 0 decides, and makes the pending directories; every rank gets the parts, or the failure. False: nothing is to be
  /// saved.
  bool agree_on_parts(InFlight& save, Boundary boundary);
  /// What of the snapshot the part holds. Throws what a transform throws.
  static std::vector<StateEntry> entries_of(const Snapshot& snapshot, const SavePart& part);
  /// Of training, over all attempts. Rank 0.
  double minutes() const { return minutes_before_ + (clock_.seconds() - start_seconds_) / 60; }
  void begin_shard(InFlight& save, std::size_t part);
  /// Where the shards of a part are written.
  Path directory_of(const SavePart& part) const { return layout_.checkpoints() / store_.pending(part.state) / part.copy; }
  /// Collective, blocks until this rank's shard has ended: hands all records to rank 0, which begins to publish.
  void collect();
  /// Collective, blocks until rank 0 has published.
  SaveResult conclude();
  /// Rank 0, in a thread of its own: says what has failed as soon as the checkpoint is durable or is not, then tidies up.
  void publish(const std::vector<std::vector<std::string>>& answers, const std::vector<std::string>& reports,
               std::promise<Publication>& told);
  /// The manifests of the transformed copies that every rank has written its shard of; the others are dropped, and told.
  void complete_copies(InFlight& save, const std::vector<std::vector<std::string>>& answers, Publication& publication);
  void commit(InFlight& save, const std::vector<std::vector<std::string>>& answers);
  /// Collective: rank 0's, on every rank.
  Publication agree_on(const Publication& mine);
  Manifest facts_of(const InFlight& save, const SavePart& part) const;

  /// Collective: what failed on the ranks, each having said {} or {error, is_configuration}; empty: nothing. Throws ConfigError.
  std::string verdict_on(const nlohmann::json& mine);
  std::optional<Restored> try_restore(const Path& path, const Targets& targets, RestoreScope scope, std::string& failure);
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
  std::int64_t save_number_ = 0;              // of the newest save, or of what was restored
  std::vector<TensorInfo> saved_tensors_;     // of the newest save
  std::map<std::string, ShardImage> images_;  // of each kind of part, kept from save to save
  std::unique_ptr<InFlight> in_flight_;       // behind images_: its threads use those
  std::future<void> publishing_;              // rank 0: outlives the save that it publishes
};

}  // namespace holdfast
