// Rank 0's hand on `checkpoints/`: which states are there, what a save is called, what stays. Knows no other rank. One thread
// at a time: the training thread, or the one that publishes while a save is in flight.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"
#include "options/retention.h"
#include "options/run_options.h"

namespace holdfast {

class CheckpointStore {
 public:
  CheckpointStore(FileSystem& files, Path checkpoints, std::vector<CheckpointOptions> policy, int attempt);

  /// The name of a new state at `step`.
  CheckpointName next_name(std::int64_t step) const;
  /// Makes the empty pending directory of `name` after it has seen that `bytes` will fit. Throws StorageError.
  void prepare(const CheckpointName& name, std::uint64_t bytes);
  /// All shards are durable: writes the manifest and makes the checkpoint visible. Throws StorageError unless it is durable then.
  void commit(const CheckpointName& name, const std::vector<std::string>& entries, const std::string& manifest_text);
  /// After a commit: moves `last`, removes what no entry keeps. What fails is logged, and done by the next save.
  void tidy();
  /// Removes what a failed save has left, if it can.
  void discard(const CheckpointName& name);

  /// The run goes on from `chosen` (nullopt: from its beginning, or from another run): what is damaged and what is later is moved
  /// away, `why` says for what.
  void take_over(std::optional<CheckpointName> chosen, const std::string& why, const std::vector<Path>& damaged);

  /// Name of the directory into which a save of `name` is written.
  std::string pending(const CheckpointName& name) const { return pending_name(name, attempt_); }

 private:
  void apply_retention();
  /// Before the others are moved away: `last` names the one that the run goes on from, or is removed.
  void move_last();
  void read_history();

  FileSystem& files_;
  Path checkpoints_;
  std::vector<CheckpointOptions> policy_;
  int attempt_;
  std::vector<StoredState> history_;            // what is on disk, oldest first
  std::optional<CheckpointName> resumed_from_;  // never deleted by this attempt
};

}  // namespace holdfast
