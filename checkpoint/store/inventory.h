// What lies in a directory of checkpoints, and what keeps each state there: for a person, and for what removes states. Reads only,
// also while a training writes there: a state that goes meanwhile is left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/policy/policy_state.h"

namespace holdfast {

/// A reason why a state stays.
struct Hold {
  enum class Kind {
    newest,   // of all that a run can go on from
    last,     // `last` points to it
    resumed,  // the newest attempt that has saved went on from it
    entry,    // a name of an entry of `checkpoints:`
    foreign,  // the newest manifest does not know it: not of this run, or of its early life
  } kind = Kind::entry;
  std::string name = {};             // entry: "best/epoch=3"
  Slot slot = Slot::kept;            // entry
  std::string metric = {};           // entry: of the score
  std::string weights = {};          // entry: the average that was measured; empty: the state itself
  std::optional<double> score = {};  // entry
};
const char* name_of(Hold::Kind kind);
/// "best/epoch=3", "best/last (last)", "newest"
std::string describe(const Hold& hold);

struct StoredState {
  CheckpointName name;
  Path path;
  std::optional<Manifest> manifest;
  std::uint64_t bytes = 0;  // of its shards and those of its transformed copies
  std::string error;        // what of it cannot be read, and why
  std::vector<Hold> holds;  // none: it is to go
};
/// What its manifest and those of its copies say. Does not throw for what is damaged or gone.
StoredState read_state(FileSystem& files, const Path& checkpoint);

struct Inventory {
  Path checkpoints;
  std::vector<StoredState> states;       // oldest first
  std::optional<PolicyState> decided;    // by the newest manifest that can be read; none: it says nothing
  std::optional<CheckpointName> source;  // whose manifest that is
};

Inventory take_inventory(FileSystem& files, const Path& checkpoints);

}  // namespace holdfast
