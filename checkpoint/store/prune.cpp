#include "checkpoint/store/prune.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "checkpoint/policy/excess.h"
#include "checkpoint/store/commit.h"
#include "checkpoint/store/names.h"

namespace holdfast {
namespace {

class Plan {
 public:
  Plan(const Inventory& inventory, const PruneSelection& selection)
      : inventory_(inventory),
        selection_(selection),
        left_(inventory.decided ? without_excess(selection.policy, *inventory.decided) : PolicyState{}) {}

  PruneDecision decide(std::size_t index) const {
    const StoredState& state = inventory_.states[index];
    for (const Hold& hold : state.holds)
      if (hold.kind != Hold::Kind::entry) return {state.name, false, reason(hold.kind)};
    const auto later = std::count_if(inventory_.states.begin() + static_cast<std::ptrdiff_t>(index), inventory_.states.end(),
                                     [&](const StoredState& other) { return other.name.is_weights == state.name.is_weights; });
    return selection_.is_by_policy() ? by_policy(state) : by_selection(state, static_cast<std::size_t>(later));
  }

 private:
  static std::string reason(Hold::Kind kind) {
    switch (kind) {
      case Hold::Kind::newest: return "it is the newest";
      case Hold::Kind::last: return "`last` points to it";
      case Hold::Kind::resumed: return "the run went on from it";
      case Hold::Kind::foreign: return "the newest manifest does not know it";
      case Hold::Kind::entry: break;
    }
    return "";
  }

  PruneDecision by_policy(const StoredState& state) const {
    std::vector<std::string> keepers, rules;
    for (const EntryState& entry : left_.entries)
      for (const NamedState& named : entry.names)
        if (named.state == state.name) keepers.push_back(entry.entry + "/" + named.name);
    if (!keepers.empty()) return {state.name, false, fmt::format("{}", fmt::join(keepers, ", "))};
    for (const CheckpointOptions& options : selection_.policy)
      for (const Hold& hold : state.holds)
        if (hold.name.starts_with(options.name + "/")) rules.push_back(fmt::format("{}: {}", options.name, rule_of(options)));
    return {state.name, true, rules.empty() ? "no entry keeps it" : fmt::format("{}", fmt::join(rules, ", "))};
  }

  /// `place`: 1 for the newest of its kind (states, weights alone).
  PruneDecision by_selection(const StoredState& state, std::size_t place) const {
    const std::int64_t step = state.name.step;
    if (selection_.keep_last && place <= static_cast<std::size_t>(*selection_.keep_last))
      return {state.name, false, fmt::format("among the newest {}", *selection_.keep_last)};
    if (selection_.keep_every && step % *selection_.keep_every == 0)
      return {state.name, false, fmt::format("a multiple of {}", *selection_.keep_every)};
    if (std::find(selection_.keep.begin(), selection_.keep.end(), step) != selection_.keep.end())
      return {state.name, false, "named to be kept"};
    return {state.name, true, "not among those to be kept"};
  }

  const Inventory& inventory_;
  const PruneSelection& selection_;
  PolicyState left_;
};

}  // namespace

std::vector<PruneDecision> plan_prune(const Inventory& inventory, const PruneSelection& selection) {
  const Plan plan(inventory, selection);
  std::vector<PruneDecision> decisions;
  for (std::size_t i = 0; i < inventory.states.size(); ++i) decisions.push_back(plan.decide(i));
  return decisions;
}

std::vector<Path> relied_on(const Inventory& inventory) {
  std::vector<Path> states;
  for (const StoredState& state : inventory.states)
    if (state.name == inventory.source ||
        std::any_of(state.holds.begin(), state.holds.end(), [](const Hold& hold) { return hold.kind == Hold::Kind::newest; }))
      states.push_back(state.path);
  return states;
}

void prune(FileSystem& files, const Path& checkpoints, const std::vector<PruneDecision>& plan) {
  const std::vector<NameLink> links = list_names(files, checkpoints);
  for (const PruneDecision& decision : plan) {
    if (!decision.goes) continue;
    for (const NameLink& link : links)
      if (link.target == directory_name(decision.state)) remove_name(files, checkpoints, link.path);
    retire(files, checkpoints, decision.state);
  }
}

}  // namespace holdfast
