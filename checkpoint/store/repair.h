// Putting a directory of checkpoints in order by hand: `holdfast ckpt repair`. It does what the next start of the run would do to
// leftovers and names, and touches no state. The caller holds the run's lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/store/names.h"

namespace holdfast {

struct RepairPlan {
  std::vector<std::string> leftovers;    // never committed, half removed, unfinished links: to be removed
  std::vector<NameLink> names;           // to be made, or to point elsewhere
  std::vector<std::string> wrong_names;  // to be removed: what they name is gone
  std::optional<NameLink> last;          // `last` is to point there; with an empty target: to be removed
  std::vector<std::string> notes;        // what a person should know
  bool is_empty() const { return leftovers.empty() && names.empty() && wrong_names.empty() && !last; }
};

/// Names and `last` are those of the newest manifest that can be read. Reads only.
RepairPlan plan_repair(FileSystem& files, const Path& checkpoints);

/// Throws StorageError; another call does the rest.
void repair(FileSystem& files, const Path& checkpoints, const RepairPlan& plan);

}  // namespace holdfast
