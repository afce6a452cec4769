// Rank 0's hand on `checkpoints/`: which states are there, what a save is called, what stays. Knows no other rank. One thread
// at a time: the training thread, or the one that publishes while a save is in flight.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/policy/policy.h"
#include "checkpoint/store/names.h"
#include "options/run_options.h"

namespace holdfast {

class CheckpointStore {
 public:
  CheckpointStore(FileSystem& files, Path checkpoints, std::vector<CheckpointOptions> policy, int attempt);

  const std::vector<CheckpointOptions>& policy() const { return policy_; }
  /// What was decided so far: of the newest committed state, and of all that was not saved since.
  const PolicyState& state() const { return state_; }
  /// What the policy makes of `boundary`. Where nothing has to be written, that is in force at once.
  Decision decide(const Boundary& boundary);

  /// Makes the pending directories of what is to be written, empty but for those of transformed copies, after it has seen that `bytes` will
  /// fit. Throws StorageError.
  void prepare(const Decision& decision, std::uint64_t bytes);
  /// All shards of a transformed copy are durable: so is its manifest then. Throws StorageError.
  void complete_copy(const CheckpointName& state, const std::string& copy, const std::string& manifest_text);
  /// It has failed: the state goes on without it. Throws StorageError.
  void drop_copy(const CheckpointName& state, const std::string& copy);
  struct ManifestTexts {
    std::string whole, weights;  // of what is written
  };
  /// All shards are durable: writes the manifests and makes the checkpoints visible. Throws StorageError unless they are durable then.
  void commit(const Decision& decision, const ManifestTexts& texts);
  /// After a commit: moves `last` and the entries' names, removes what no entry keeps. What fails is logged, and done by the next save.
  void tidy();
  /// Removes what a failed save has left, if it can.
  void discard(const Decision& decision);

  /// The run goes on from `from`, which is its own `chosen`, or another run's (or, without both, from its beginning): what is damaged
  /// and what is later is moved away, `why` says for what.
  void take_over(std::optional<CheckpointName> chosen, const std::optional<Path>& from, const std::string& why,
                 const std::vector<Path>& damaged);

  /// Name of the directory into which a save of `name` is written.
  std::string pending(const CheckpointName& name) const { return pending_name(name, attempt_); }

 private:
  /// `next` is in force: what that changes on disk is still to be done.
  void adopt(const PolicyState& next);
  /// Does it.
  void catch_up();
  /// Of a save that has failed: what it has published is removed, if not now, then by the next save.
  void take_back(const CheckpointName& name);
  /// Before the others are moved away: `last` names the one that the run goes on from, or is removed.
  void move_last();
  /// What is committed and later than what the run goes on from, or damaged, is moved away, and its names with it.
  void abandon_others(const std::string& why, const std::vector<Path>& damaged, const std::optional<Path>& from);
  void read_state(const std::optional<Path>& from);

  FileSystem& files_;
  Path checkpoints_;
  std::vector<CheckpointOptions> policy_;
  int attempt_;
  PolicyState state_;
  std::vector<NameLink> entering_names_;        // to be made: decided, and not done yet
  std::vector<std::string> leaving_names_;      // to be removed, likewise
  std::vector<CheckpointName> leaving_states_;  // likewise
};

}  // namespace holdfast
