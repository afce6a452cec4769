#include "checkpoint/policy/policy_state.h"

#include <algorithm>
#include <stdexcept>

#include "base/json_value.h"
#include "options/name_template.h"

namespace holdfast {

using nlohmann::json;

namespace {

constexpr std::pair<Slot, const char*> kSlots[] = {{Slot::kept, "kept"},           {Slot::last, "last"},     {Slot::final, "final"},
                                                   {Slot::exception, "exception"}, {Slot::signal, "signal"}, {Slot::resumed, "resumed"}};

Slot slot_from(const std::string& text) {
  for (const auto& [slot, name] : kSlots)
    if (text == name) return slot;
  throw std::invalid_argument("no slot is called '" + text + "'");
}

CheckpointName state_from(const json& stored) {
  const auto text = stored.get<std::string>();
  if (const auto name = parse_directory_name(text)) return *name;
  throw std::invalid_argument("'" + text + "' is no checkpoint's name");
}

std::vector<CheckpointName> states_from(const json& stored) {
  std::vector<CheckpointName> states;
  for (const json& state : list_from_json(stored)) states.push_back(state_from(state));
  return states;
}

json states_to_json(const std::vector<CheckpointName>& states) {
  json stored = json::array();
  for (const CheckpointName& state : states) stored.push_back(directory_name(state));
  return stored;
}

json to_json(const Position& position) { return {{"epoch", position.epoch}, {"batch", position.batch}, {"step", position.step}}; }

Position position_from(const json& stored) {
  return {.epoch = integer_from_json<std::int64_t>(stored.at("epoch")),
          .batch = integer_from_json<std::int64_t>(stored.at("batch")),
          .step = integer_from_json<std::int64_t>(stored.at("step"))};
}

json entry_to_json(const EntryState& entry) {
  json names = json::array();
  for (const NamedState& named : entry.names)
    names.push_back({{"name", named.name},
                     {"state", directory_name(named.state)},
                     {"slot", name_of(named.slot)},
                     {"score", named.score ? number_to_json(*named.score) : json()}});
  json stored = {{"entry", entry.entry},
                 {"monitor", entry.monitor},
                 {"mode", name_of(entry.mode)},
                 {"names", std::move(names)},
                 {"is_waiting", entry.is_waiting},
                 {"asked_at_minutes", entry.asked_at_minutes},
                 {"inherited_best", entry.inherited_best}};
  if (!entry.weights.empty()) stored["weights"] = entry.weights;
  return stored;
}

EntryState entry_from_json(const json& stored) {
  EntryState entry{.entry = stored.at("entry"),
                   .monitor = stored.at("monitor"),
                   .mode = stored.at("mode") == name_of(Mode::min) ? Mode::min : Mode::max,
                   .weights = stored.value("weights", ""),
                   .names = {},
                   .is_waiting = stored.at("is_waiting"),
                   .asked_at_minutes = number_from_json(stored.at("asked_at_minutes")),
                   .inherited_best = stored.at("inherited_best")};
  for (const json& named : list_from_json(stored.at("names"))) {
    entry.names.push_back(
        {.state = state_from(named.at("state")), .name = named.at("name"), .slot = slot_from(named.at("slot")), .score = {}});
    require_file_name(entry.names.back().name);
    if (!named.at("score").is_null()) entry.names.back().score = number_from_json(named.at("score"));
  }
  require_file_name(entry.entry);
  return entry;
}

}  // namespace

const char* name_of(Slot slot) {
  return std::find_if(std::begin(kSlots), std::end(kSlots), [slot](const auto& known) { return known.first == slot; })->second;
}

std::map<std::string, CheckpointName> PolicyState::links() const {
  std::map<std::string, CheckpointName> links;
  for (const EntryState& entry : entries)
    for (const NamedState& named : entry.names) links[entry.entry + "/" + named.name] = named.state;
  return links;
}

bool PolicyState::names(const CheckpointName& state) const {
  for (const EntryState& entry : entries)
    for (const NamedState& named : entry.names)
      if (named.state == state) return true;
  return false;
}

EntryState begin_entry(const CheckpointOptions& options) {
  return {.entry = options.name, .monitor = options.monitor, .mode = options.mode, .weights = options.measured_weights, .names = {}};
}

bool is_comparable(const CheckpointOptions& options, const EntryState& entry) {
  return entry.monitor == options.monitor && entry.mode == options.mode && entry.weights == options.measured_weights;
}

json to_json(const PolicyState& state) {
  json entries = json::array();
  for (const EntryState& entry : state.entries) entries.push_back(entry_to_json(entry));
  json stored = {{"entries", std::move(entries)},
                 {"states", states_to_json(state.states)},
                 {"newest", state.newest ? json(directory_name(*state.newest)) : json()},
                 {"position", to_json(state.position)},
                 {"minutes", state.minutes},
                 {"retiring", states_to_json(state.retiring)}};
  if (state.newest_weights) {
    stored["newest_weights"] = directory_name(*state.newest_weights);
    stored["weights_position"] = to_json(state.weights_position);
  }
  return stored;
}

PolicyState policy_state_from_json(const json& stored) {
  PolicyState state;
  for (const json& entry : list_from_json(stored.at("entries"))) state.entries.push_back(entry_from_json(entry));
  state.states = states_from(stored.at("states"));
  if (!stored.at("newest").is_null()) state.newest = state_from(stored.at("newest"));
  state.position = position_from(stored.at("position"));
  if (stored.contains("newest_weights")) {
    state.newest_weights = state_from(stored.at("newest_weights"));
    state.weights_position = position_from(stored.at("weights_position"));
  }
  state.minutes = number_from_json(stored.at("minutes"));
  state.retiring = states_from(stored.at("retiring"));
  return state;
}

}  // namespace holdfast
