// What the policy of a run's checkpoints has decided so far: which states stay, under which names, with which scores. Stored in
// every manifest, as it is once that checkpoint is there. Pure data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoint/format/layout.h"
#include "options/run_options.h"

namespace holdfast {

/// Where in a run a state is: two states are the same one if their positions are.
struct Position {
  std::int64_t epoch = 0;  // index of that of the last batch
  std::int64_t batch = 0;  // consumed
  std::int64_t step = 0;   // completed updates
  bool operator==(const Position&) const = default;
};

/// Why a name of an entry is there.
enum class Slot {
  kept,       // what top_k or limit hold
  last,       // the newest, with save_last
  final,      // the end of the run, where top_k rejects it
  exception,  // the newest that on_exception has saved
  signal,     // likewise, on_signal
  resumed     // top_k or limit let it go, but the run goes on from it
};

const char* name_of(Slot slot);

struct NamedState {
  CheckpointName state;
  std::string name;  // a path below the entry's directory
  Slot slot = Slot::kept;
  std::optional<double> score;  // of the monitored metric, measured at this state
};

struct EntryState {
  std::string entry;
  std::string monitor;  // what the scores are of
  Mode mode = Mode::min;
  std::string weights;            // the average that `monitor` was measured of; empty: the model
  std::vector<NamedState> names;  // oldest first
  bool is_waiting = false;        // a save is due at the next measurement of `monitor`
  double asked_at_minutes = 0;    // of training, when it last asked for a save
  std::string inherited_best;     // of another run that this one went on from, while there is none of its own

  /// Names in its directory that are not its own, of an earlier run or of what was given up. Seen on disk, not stored.
  std::vector<std::string> foreign_names = {};
};

struct PolicyState {
  std::vector<EntryState> entries;
  std::vector<CheckpointName> states;            // that the entries have saved and that stay, oldest first
  std::optional<CheckpointName> newest;          // of them, of those that a run can go on from
  Position position;                             // of the newest
  std::optional<CheckpointName> newest_weights;  // likewise, of those that hold weights alone
  Position weights_position;
  double minutes = 0;                     // of training, at the newest
  std::vector<CheckpointName> retiring;   // gone with the newest
  std::optional<CheckpointName> resumed;  // never removed: what this attempt goes on from. Not stored

  /// Those of `states` that the manifest of the newest one knows: a run that goes on from it keeps them, so that they go with the next one
  /// only. Not stored.
  std::vector<CheckpointName> recorded = {};

  /// Other committed states on disk: never touched, their names are taken. Not stored.
  std::vector<CheckpointName> foreign_states = {};

  /// What stands on disk below checkpoints/: "ENTRY/NAME" and the state that it names.
  std::map<std::string, CheckpointName> links() const;
  bool names(const CheckpointName& state) const;
};

/// Of an entry that has decided nothing yet.
EntryState begin_entry(const CheckpointOptions& options);
/// Scores of another metric, or of other weights, say nothing of what the entry ranks by now.
bool is_comparable(const CheckpointOptions& options, const EntryState& entry);

nlohmann::json to_json(const PolicyState& state);
/// Throws nlohmann::json::exception or std::invalid_argument when a field is missing or makes no sense.
PolicyState policy_state_from_json(const nlohmann::json& stored);

}  // namespace holdfast
