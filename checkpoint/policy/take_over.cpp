#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/policy/policy.h"

namespace holdfast {
namespace {

/// What somebody has removed meanwhile, or a later save of a timeline that is given up, is no longer kept.
void forget_missing(PolicyState& state, const std::vector<CheckpointName>& present, std::vector<std::string>& notes) {
  for (EntryState& entry : state.entries)
    std::erase_if(entry.names, [&](const NamedState& named) {
      if (contains(present, named.state)) return false;
      notes.push_back(fmt::format("{}/{} is gone with {}, which is no longer there", entry.entry, named.name, directory_name(named.state)));
      return true;
    });
  for (auto* states : {&state.states, &state.retiring})
    std::erase_if(*states, [&](const CheckpointName& name) { return !contains(present, name); });
  state.recorded = state.states;
  if (!state.newest_weights || contains(present, *state.newest_weights)) return;
  state.newest_weights.reset();  // or they would not be written again
  state.weights_position = {};
}

/// "the smallest val_loss of ema"
std::string ranking_of(const EntryState& entry) {
  return fmt::format("the {} {}{}", entry.mode == Mode::min ? "smallest" : "largest", entry.monitor,
                     entry.weights.empty() ? "" : " of " + entry.weights);
}

/// What was not measured by what the entry ranks by now counts as not measured.
void renew_scores(const CheckpointOptions& options, EntryState& entry, std::vector<std::string>& notes) {
  if (is_comparable(options, entry)) return;
  EntryState renewed = begin_entry(options);
  if (std::any_of(entry.names.begin(), entry.names.end(), [](const NamedState& named) { return named.score.has_value(); }))
    notes.push_back(fmt::format("{} has ranked by {} before, and {}: its best starts anew", options.name, ranking_of(entry),
                                options.monitor.empty() ? "ranks no more" : "ranks by " + ranking_of(renewed) + " now"));
  renewed.names = std::move(entry.names);
  for (NamedState& named : renewed.names) named.score.reset();
  renewed.asked_at_minutes = entry.asked_at_minutes;
  renewed.foreign_names = std::move(entry.foreign_names);
  entry = std::move(renewed);
}

/// Of another run's history only its best is remembered, until there is one of its own.
void inherit_best(const std::vector<CheckpointOptions>& policy, const TakeOver& from, PolicyState& state) {
  for (const CheckpointOptions& options : policy)
    for (const EntryState& other : from.recorded->entries) {
      if (other.entry != options.name) continue;
      const NamedState* best = best_of(options, other);
      for (EntryState& entry : state.entries)
        if (best && entry.entry == options.name) entry.inherited_best = from.other_run + "/" + other.entry + "/" + best->name;
    }
}

}  // namespace

bool is_later(const CheckpointName& state, const CheckpointName& resumed, const std::optional<PolicyState>& recorded) {
  if (!state.is_weights) return state > resumed;
  return state.step > resumed.step || (state.step == resumed.step && !(recorded && contains(recorded->states, state)));
}

PolicyState take_over(const std::vector<CheckpointOptions>& policy, const TakeOver& from, std::vector<std::string>& notes) {
  PolicyState state;
  if (from.resumed && from.recorded) state = *from.recorded;
  state.resumed = from.resumed;
  forget_missing(state, from.present, notes);
  for (const CheckpointName& name : from.present)
    if (!contains(state.states, name) && !contains(state.retiring, name)) state.foreign_states.push_back(name);
  for (const CheckpointOptions& options : policy)
    if (std::none_of(state.entries.begin(), state.entries.end(), [&](const EntryState& entry) { return entry.entry == options.name; }))
      state.entries.push_back(begin_entry(options));
  for (const CheckpointOptions& options : policy)
    for (EntryState& entry : state.entries)
      if (entry.entry == options.name) renew_scores(options, entry, notes);
  if (from.recorded && !from.resumed) inherit_best(policy, from, state);
  for (EntryState& entry : state.entries) {
    const auto seen = from.names.find(entry.entry);
    if (seen == from.names.end()) continue;
    for (const std::string& name : seen->second)
      if (std::none_of(entry.names.begin(), entry.names.end(), [&](const NamedState& named) { return named.name == name; }))
        entry.foreign_names.push_back(name);
  }
  return state;
}

}  // namespace holdfast
