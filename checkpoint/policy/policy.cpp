#include "checkpoint/policy/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/policy/entry_policy.h"

namespace holdfast {
namespace {

constexpr std::int64_t kDefaultLimit = 2, kDefaultTopK = 1;

EntryState& state_of(PolicyState& state, const CheckpointOptions& options) {
  for (EntryState& known : state.entries)
    if (known.entry == options.name) return known;
  return state.entries.emplace_back(begin_entry(options));
}

/// The version is the first that neither this run nor anybody else has used at that step.
CheckpointName free_name(const PolicyState& state, CheckpointName name) {
  for (const auto* states : {&state.states, &state.foreign_states})
    for (const CheckpointName& taken : *states)
      if (taken.step == name.step && taken.is_weights == name.is_weights) name.version = std::max(name.version, taken.version + 1);
  return name;
}

StateDecision begin(const PolicyState& before, const Position& here, bool is_weights) {
  const std::optional<CheckpointName>& newest = is_weights ? before.newest_weights : before.newest;
  const bool is_new = !newest || (is_weights ? before.weights_position : before.position) != here;
  return {.is_new = is_new, .name = is_new ? free_name(before, {here.step, 0, is_weights}) : *newest, .savers = {}, .transforms = {}};
}

void add_transforms(StateDecision& state, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (std::find(state.transforms.begin(), state.transforms.end(), name) == state.transforms.end()) state.transforms.push_back(name);
}

void settle_states(PolicyState& state, const std::vector<CheckpointName>& before, const Decision& decision) {
  const bool is_recorded = decision.whole.writes();
  for (EntryState& entry : state.entries)
    std::erase_if(entry.names, [&](const NamedState& named) { return named.slot == Slot::resumed && named.state != state.resumed; });
  state.states.clear();
  state.retiring.clear();
  for (const CheckpointName& known : before) {
    const bool stays = state.names(known) || known == state.resumed || (!is_recorded && contains(state.recorded, known));
    (stays ? state.states : state.retiring).push_back(known);
  }
  for (const StateDecision* added : {&decision.weights, &decision.whole})
    if (added->saves && !contains(state.states, added->name)) state.states.push_back(added->name);
  if (is_recorded) state.recorded = state.states;
}

}  // namespace

Choice choice_of(const CheckpointOptions& options) {
  const bool has_monitor = !options.monitor.empty();
  if (options.top_k) return {has_monitor ? Choice::By::score : Choice::By::age, *options.top_k};
  if (options.limit) return {Choice::By::age, *options.limit > 0 ? *options.limit : -1};
  return has_monitor ? Choice{Choice::By::score, kDefaultTopK} : Choice{Choice::By::age, kDefaultLimit};
}

bool must_be_measured(const CheckpointOptions& options) {
  const Choice choice = choice_of(options);
  return options.only_best || (choice.by == Choice::By::score && choice.count != 0);
}

bool may_save(const std::vector<CheckpointOptions>& policy, const Boundary& boundary, bool is_time_up) {
  const StepEvent& step = boundary.step;
  if (step.is_last || is_time_up || boundary.interruption != Interruption::none) return !policy.empty();
  return std::any_of(policy.begin(), policy.end(), [&](const CheckpointOptions& entry) {
    return is_crossed(entry.every_steps, step.step_before, step.step_after) ||
           is_crossed(entry.every_epochs, step.epochs_before, step.epochs_after) ||
           (boundary.has_validated && (entry.after_validation || must_be_measured(entry)));
  });
}

Decision decide(const std::vector<CheckpointOptions>& policy, const PolicyState& before, const Boundary& measured) {
  Boundary boundary = measured;
  boundary.metrics.try_emplace("epoch", static_cast<double>(boundary.position.epoch));
  boundary.metrics.try_emplace("step", static_cast<double>(boundary.position.step));
  Decision decision{
      .whole = begin(before, boundary.position, false), .weights = begin(before, boundary.position, true), .entries = {}, .next = before};
  for (const CheckpointOptions& options : policy) {
    EntryState& entry = state_of(decision.next, options);
    StateDecision& wanted = options.weights_only ? decision.weights : decision.whole;
    EntryDecision made = EntryPolicy(options, entry, wanted.name, boundary, before.resumed).decide();
    if (!made.names.empty()) {
      wanted.saves = true;
      wanted.savers.push_back(options.name);
    }
    // What a stop saves may get another name when the run goes on, and is not written again then.
    if (!made.names.empty() || boundary.interruption == Interruption::signal) add_transforms(wanted, options.transforms);
    if (!made.why.empty()) decision.entries.push_back(std::move(made));
  }
  if (!decision.saves()) return decision;
  settle_states(decision.next, before.states, decision);
  if (decision.whole.saves) {
    decision.next.newest = decision.whole.name;
    decision.next.position = boundary.position;
  }
  if (decision.weights.saves) {
    decision.next.newest_weights = decision.weights.name;
    decision.next.weights_position = boundary.position;
  }
  decision.next.minutes = boundary.minutes;
  return decision;
}

bool is_time_up(const std::vector<CheckpointOptions>& policy, const PolicyState& state, double minutes) {
  return std::any_of(policy.begin(), policy.end(), [&](const CheckpointOptions& options) {
    if (!options.every_minutes) return false;
    const auto known =
        std::find_if(state.entries.begin(), state.entries.end(), [&](const EntryState& e) { return e.entry == options.name; });
    return minutes - (known == state.entries.end() ? 0 : known->asked_at_minutes) >= *options.every_minutes;
  });
}

}  // namespace holdfast
