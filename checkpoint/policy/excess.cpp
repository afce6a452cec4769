#include "checkpoint/policy/excess.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "checkpoint/policy/score.h"

namespace holdfast {
namespace {

std::vector<CheckpointName> excess_of(const CheckpointOptions& options, const EntryState& entry) {
  const Choice choice = choice_of(options);
  if (choice.count < 0 || !(options.monitor.empty() || is_comparable(options, entry))) return {};
  if (choice.by == Choice::By::score || choice.count == 0) return beyond_best(options.mode, entry.names, choice.count);
  const auto newest =
      std::find_if(entry.names.rbegin(), entry.names.rend(), [](const NamedState& named) { return named.slot == Slot::kept; });
  const NamedState* best = options.monitor.empty() ? nullptr : best_of(options, entry);
  if (best && best == &*newest) best = nullptr;
  return beyond_newest(entry.names, std::max<std::int64_t>(choice.count, best ? 2 : 1), best);
}

}  // namespace

std::size_t worst_kept(Mode mode, const std::vector<NamedState>& names) {
  std::size_t found = names.size();
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i].slot == Slot::kept &&
        (found == names.size() || is_better(mode, key_of(mode, names[found].score), key_of(mode, names[i].score))))
      found = i;
  return found;
}

std::int64_t count_kept(const std::vector<NamedState>& names) {
  return std::count_if(names.begin(), names.end(), [](const NamedState& named) { return named.slot == Slot::kept; });
}

std::vector<CheckpointName> beyond_best(Mode mode, std::vector<NamedState> names, std::int64_t most) {
  std::vector<CheckpointName> excess;
  while (count_kept(names) > most) {
    const std::size_t worst = worst_kept(mode, names);
    excess.push_back(names[worst].state);
    names.erase(names.begin() + static_cast<std::ptrdiff_t>(worst));
  }
  return excess;
}

std::vector<CheckpointName> beyond_newest(const std::vector<NamedState>& names, std::int64_t most, const NamedState* best) {
  std::vector<CheckpointName> excess;
  std::int64_t left = count_kept(names);
  for (const NamedState& named : names) {
    if (left <= most) break;
    if (named.slot != Slot::kept || (best && named.state == best->state)) continue;
    excess.push_back(named.state);
    --left;
  }
  return excess;
}

std::string rule_of(const CheckpointOptions& options) {
  const Choice choice = choice_of(options);
  if (choice.count < 0) return "all are kept";
  return fmt::format("the {} {} {} kept", choice.by == Choice::By::score ? "best" : "newest", choice.count,
                     choice.count == 1 ? "is" : "are");
}

PolicyState without_excess(const std::vector<CheckpointOptions>& policy, PolicyState state) {
  for (const CheckpointOptions& options : policy)
    for (EntryState& entry : state.entries) {
      if (entry.entry != options.name) continue;
      const std::vector<CheckpointName> excess = excess_of(options, entry);
      std::erase_if(entry.names, [&](const NamedState& named) {
        return named.slot == Slot::kept && std::find(excess.begin(), excess.end(), named.state) != excess.end();
      });
    }
  return state;
}

}  // namespace holdfast
