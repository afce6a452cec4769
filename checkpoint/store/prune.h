// Removing states that nothing keeps, by hand: `holdfast ckpt prune`. What a run would never remove stays here too. The caller holds the
// run's lock.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/store/inventory.h"
#include "options/run_options.h"

namespace holdfast {

/// What stays beside what is protected. Any of keep_last, keep_every and keep: they choose, and the policy does not.
struct PruneSelection {
  std::vector<CheckpointOptions> policy;   // each entry keeps, of what it keeps, what this has room for
  std::optional<std::int64_t> keep_last;   // so many of the newest
  std::optional<std::int64_t> keep_every;  // steps that are a multiple of it
  std::vector<std::int64_t> keep;          // these steps
  bool is_by_policy() const { return !keep_last && !keep_every && keep.empty(); }
};

struct PruneDecision {
  CheckpointName state;
  bool goes = false;
  std::string why;
};

/// For every state of the inventory, in its order. Never goes: the newest, the one that `last` points to, the one that the newest attempt
/// went on from, what the newest manifest does not know. Pure.
std::vector<PruneDecision> plan_prune(const Inventory& inventory, const PruneSelection& selection);

/// The states on whose word the others go, so that nothing may be removed unless they are sound: the newest that a run can go on from, and
/// the one whose manifest says what is kept.
std::vector<Path> relied_on(const Inventory& inventory);

/// Removes those that go, oldest first, as retention does: the names first, then a rename out of sight, then the files. Throws
/// StorageError; what is left then is whole.
void prune(FileSystem& files, const Path& checkpoints, const std::vector<PruneDecision>& plan);

}  // namespace holdfast
