// Every name that a run or a checkpoint has on disk. No other file spells one, but for base/name.h, which says what is kept from others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/name.h"

namespace holdfast {

/// A run directory:
///   lock  fence  journal.jsonl  metrics.jsonl  metrics.csv  tensorboard/  saves.jsonl  injected.txt  left-out.json  stop  DONE.json
///   logs/attempt-NNN/rank-N.log  checkpoints/
struct RunLayout {
  Path root;
  Path lock() const { return root / "lock"; }
  Path fence() const { return root / "fence"; }  // which attempt may change what is here (base/fence.h)
  Path journal() const { return root / "journal.jsonl"; }
  Path metrics() const { return root / "metrics.jsonl"; }
  Path metrics_table() const { return root / "metrics.csv"; }
  Path tensorboard() const { return root / "tensorboard"; }
  Path saves() const { return root / "saves.jsonl"; }  // how each save ended
  Path injected() const { return root / "injected.txt"; }
  Path left_out() const { return root / "left-out.json"; }
  Path stop() const { return root / "stop"; }
  Path done() const { return root / "DONE.json"; }
  Path checkpoints() const { return root / "checkpoints"; }
  Path hooks_log() const { return root / "logs" / "hooks.log"; }  // what commands of `hooks:` have printed
  Path attempt_logs(int attempt) const;                           // logs/attempt-003
  Path rank_log(int attempt, int rank) const;                     // .../rank-1.log
  Path exit_record(int attempt, int rank) const;                  // .../rank-1.exit.json
  Path stacks(int attempt, int rank) const;                       // .../rank-1.stacks.txt
  Path trace(int attempt, int rank) const;                        // .../rank-1.trace.json
  Path rank_times(int attempt, int rank) const;                   // .../rank-1.times.json
  Path operations(int attempt, int rank) const;                   // .../rank-1.operations.json: the newest on its device, where it has one
  Path launcher_log(int attempt) const;                           // .../launcher.log: what mpirun itself printed
};

/// checkpoints/step-00001000, or step-00001000.1 for another state at the same step; weights-00001000 where it holds the model's
/// weights alone, so that nobody takes it for a state that a run can go on from.
struct CheckpointName {
  std::int64_t step = 0;
  int version = 0;
  bool is_weights = false;
  auto operator<=>(const CheckpointName&) const = default;
};
bool contains(const std::vector<CheckpointName>& states, const CheckpointName& state);
std::string directory_name(const CheckpointName& name);
/// What attempt `attempt` writes into before the commit: "step-00001000.pending-3".
std::string pending_name(const CheckpointName& name, int attempt);
/// nullopt for anything that is not a committed checkpoint's name.
std::optional<CheckpointName> parse_directory_name(const std::string& name);
/// False for the names that checkpoints/ has for itself; the directories of the others hold the names of an entry of `checkpoints:`.
bool is_entry_directory(const std::string& name);
/// True for "step-N.pending-K" and for "….deleting".
bool is_leftover(const std::string& name);
/// What retention renames a directory to before it removes it.
std::string deleting_name(const CheckpointName& name);
/// True for the names that free_abandoned_name() makes.
bool is_set_aside(const std::string& name);
/// Where attempt `attempt` moves what the run goes on without: "abandoned-3", then "abandoned-3.1" and so on, the first that is free
/// (attempts that no supervisor counts all have number 1).
std::string free_abandoned_name(FileSystem& files, const Path& checkpoints, int attempt);

/// True for what may be a directory inside a checkpoint, with a transformed copy of its weights.
bool is_transform_name(std::string_view name);

std::string shard_name(int rank, int world_size);  // "shard-00000-of-00002.h5"
inline constexpr const char* kManifestName = "manifest.json";

/// Committed checkpoints below `checkpoints`, oldest first (by step, then version). Foreign names are ignored; committed
/// means that the directory has its final name. Missing directory: none.
std::vector<CheckpointName> list_checkpoints(FileSystem& files, const Path& checkpoints);
/// Likewise, with those that hold weights alone.
std::vector<CheckpointName> list_all_checkpoints(FileSystem& files, const Path& checkpoints);

}  // namespace holdfast
