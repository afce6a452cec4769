#include "checkpoint/store/inventory.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/format/copies.h"

namespace holdfast {
namespace {

bool has(const StoredState& state, Hold::Kind kind) {
  return std::any_of(state.holds.begin(), state.holds.end(), [kind](const Hold& hold) { return hold.kind == kind; });
}

std::vector<StoredState> read_states(FileSystem& files, const Path& checkpoints) {
  std::vector<StoredState> states;
  for (const CheckpointName& name : list_all_checkpoints(files, checkpoints)) {
    StoredState state = read_state(files, checkpoints / directory_name(name));
    state.name = name;
    if (state.error.empty() || files.kind(state.path) == FileKind::directory) states.push_back(std::move(state));
  }
  return states;
}

/// What was removed by hand counts no more.
void forget_missing(Inventory& inventory) {
  if (!inventory.decided) return;
  const auto is_gone = [&](const NamedState& named) {
    return std::none_of(inventory.states.begin(), inventory.states.end(),
                        [&](const StoredState& state) { return state.name == named.state; });
  };
  for (EntryState& entry : inventory.decided->entries) std::erase_if(entry.names, is_gone);
}

void read_decisions(Inventory& inventory) {
  for (auto state = inventory.states.rbegin(); state != inventory.states.rend(); ++state) {
    if (!state->manifest || state->name.is_weights) continue;
    inventory.source = state->name;
    try {
      if (!state->manifest->retention.is_null()) inventory.decided = policy_state_from_json(state->manifest->retention);
    } catch (const std::exception& error) {
      state->error = fmt::format("its record of what the policy had decided makes no sense: {}", error.what());
    }
    forget_missing(inventory);
    return;
  }
}

/// The names that entries have given it.
void add_entries(StoredState& state, const PolicyState& decided) {
  for (const EntryState& entry : decided.entries)
    for (const NamedState& named : entry.names)
      if (named.state == state.name)
        state.holds.push_back({.kind = Hold::Kind::entry,
                               .name = entry.entry + "/" + named.name,
                               .slot = named.slot,
                               .metric = entry.monitor,
                               .weights = entry.weights,
                               .score = named.score});
}

/// What the newest attempt went on from: all that it saved is later, and what was later before was moved aside. Beside that, what the
/// policy holds without any name, or under the name of what was resumed from.
void add_resumed(Inventory& inventory) {
  const auto is_marked = [](const StoredState& state) {
    return std::any_of(state.holds.begin(), state.holds.end(), [](const Hold& hold) { return hold.slot == Slot::resumed; });
  };
  const auto attempt_of = [](const StoredState& state) { return state.manifest ? state.manifest->attempt : 0; };
  int newest = 0;
  for (const StoredState& state : inventory.states)
    if (state.name == inventory.source) newest = attempt_of(state);
  bool is_found = false;
  for (auto state = inventory.states.rbegin(); state != inventory.states.rend(); ++state) {
    if (has(*state, Hold::Kind::foreign)) continue;
    const bool is_unnamed = contains(inventory.decided->states, state->name) && !inventory.decided->names(state->name);
    const bool is_before = !is_found && !state->name.is_weights && state->manifest && attempt_of(*state) < newest;
    is_found = is_found || is_before;
    if (is_before || is_unnamed || is_marked(*state)) state->holds.push_back({.kind = Hold::Kind::resumed});
  }
}

}  // namespace

const char* name_of(Hold::Kind kind) {
  switch (kind) {
    case Hold::Kind::newest: return "newest";
    case Hold::Kind::last: return "last";
    case Hold::Kind::resumed: return "resumed";
    case Hold::Kind::entry: return "entry";
    case Hold::Kind::foreign: return "foreign";
  }
  return "";
}

std::string describe(const Hold& hold) {
  if (hold.kind != Hold::Kind::entry) return name_of(hold.kind);
  // What was resumed from has a hold of its own.
  return hold.slot == Slot::kept || hold.slot == Slot::resumed ? hold.name : fmt::format("{} ({})", hold.name, name_of(hold.slot));
}

StoredState read_state(FileSystem& files, const Path& checkpoint) {
  StoredState state{.name = {}, .path = checkpoint, .manifest = {}, .error = {}, .holds = {}};
  try {
    state.manifest = read_manifest(files, checkpoint);
    state.name = own_name(*state.manifest);
    state.bytes = bytes_of(*state.manifest);
    for (const Manifest& copy : read_copies(files, checkpoint, *state.manifest)) state.bytes += bytes_of(copy);
  } catch (const Error& error) {
    state.error = error.what();
  }
  return state;
}

Inventory take_inventory(FileSystem& files, const Path& checkpoints) {
  Inventory inventory{.checkpoints = checkpoints, .states = read_states(files, checkpoints), .decided = {}, .source = {}};
  read_decisions(inventory);
  const std::optional<std::string> last = link_target(files, checkpoints / kLastLink);
  const auto newest =
      std::find_if(inventory.states.rbegin(), inventory.states.rend(), [](const StoredState& state) { return !state.name.is_weights; });
  for (StoredState& state : inventory.states) {
    const bool is_newest = newest != inventory.states.rend() && state.name == newest->name;
    if (is_newest) state.holds.push_back({.kind = Hold::Kind::newest});
    if (last == directory_name(state.name)) state.holds.push_back({.kind = Hold::Kind::last});
    if (inventory.decided) add_entries(state, *inventory.decided);
    const bool is_known =
        inventory.decided && (contains(inventory.decided->states, state.name) || contains(inventory.decided->retiring, state.name));
    if (!is_known && !is_newest) state.holds.push_back({.kind = Hold::Kind::foreign});
  }
  if (inventory.decided) add_resumed(inventory);
  return inventory;
}

}  // namespace holdfast
