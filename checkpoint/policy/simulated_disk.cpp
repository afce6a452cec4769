#include "checkpoint/policy/simulated_disk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace holdfast {

using nlohmann::json;

namespace {

std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = std::min(path.find('/'), path.size());
  return {path.substr(0, slash), path.substr(std::min(slash + 1, path.size()))};
}

}  // namespace

void SimulatedDisk::apply(const PolicyState& before, const Decision& decision, const Saved& here) {
  if (!decision.saves()) return;
  for (const StateDecision* state : {&decision.whole, &decision.weights})
    if (state->writes()) states_[state->name] = {here.counters, here.position, decision.next};
  const auto wanted = decision.next.links();
  for (const auto& [path, state] : before.links())
    if (!wanted.contains(path)) names_[split(path).first].erase(split(path).second);
  for (const auto& [path, state] : wanted) names_[split(path).first][split(path).second] = directory_name(state);
  for (const CheckpointName& gone : decision.next.retiring) states_.erase(gone);
}

SimulatedDisk::Resumed SimulatedDisk::find(const TraceEvent& event, const PolicyState& state,
                                           const std::vector<CheckpointOptions>& policy) const {
  if (event.name == "none") return {};
  std::string target = event.name;
  if (target == "last" && state.newest) target = directory_name(*state.newest);
  for (const CheckpointOptions& options : policy)
    for (const EntryState& entry : state.entries)
      if (entry.entry == options.name && (event.name == "best:" + options.name || (target == "best" && !options.monitor.empty())))
        if (const NamedState* best = best_of(options, entry)) target = directory_name(best->state);
  const auto [entry, name] = split(target);
  if (const auto names = names_.find(entry); names != names_.end())
    if (const auto link = names->second.find(name); link != names->second.end()) target = link->second;
  if (const auto old = abandoned_.find(target); old != abandoned_.end())
    return {false, std::nullopt, old->second.recorded, old->second.counters, old->second.position};
  const auto step = parse_directory_name(target);
  const auto found = step ? states_.find(*step) : states_.end();
  if (step && step->is_weights)
    throw ConfigError(ErrorText{.attempted = fmt::format("{}: resume from {}", event.where, event.name),
                                .expected = "a state that a run can go on from",
                                .found = target + ", which holds weights alone",
                                .next = "resume from a step-N"});
  if (found == states_.end())
    throw ConfigError(ErrorText{.attempted = fmt::format("{}: resume from {}", event.where, event.name),
                                .expected = "none, last, best, best:ENTRY, ENTRY/NAME or step-N of what is there",
                                .found = to_json().dump()});
  return {false, found->first, found->second.recorded, found->second.counters, found->second.position};
}

PolicyState SimulatedDisk::take_over(const std::vector<CheckpointOptions>& policy, const std::optional<PolicyState>& recorded,
                                     std::optional<CheckpointName> resumed, const std::string& other_run, std::vector<std::string>& notes) {
  ++attempts_;
  for (auto state = states_.begin(); state != states_.end();) {
    if (resumed && !is_later(state->first, *resumed, recorded)) {
      ++state;
      continue;
    }
    const std::string name = directory_name(state->first), away = fmt::format("abandoned-{}/{}", attempts_, name);
    for (auto& [entry, names] : names_)
      for (auto& [link, target] : names)
        if (target == name) target = away;
    abandoned_[away] = state->second;
    notes.push_back(fmt::format("{} is moved to {}", name, away));
    state = states_.erase(state);
  }
  TakeOver from{.recorded = recorded, .resumed = resumed, .other_run = other_run, .present = {}, .names = {}};
  for (const auto& [name, saved] : states_) from.present.push_back(name);
  for (const auto& [entry, names] : names_)
    for (const auto& [link, target] : names)
      if (!parse_directory_name(target) || !states_.contains(*parse_directory_name(target))) from.names[entry].push_back(link);
  PolicyState state = holdfast::take_over(policy, from, notes);
  for (const auto& [path, target] : state.links()) names_[split(path).first][split(path).second] = directory_name(target);
  return state;
}

void SimulatedDisk::remove(const TraceEvent& event) {
  const auto [entry, name] = split(event.name);
  const auto names = names_.find(entry);
  if (names == names_.end() || !names->second.contains(name))
    throw ConfigError(ErrorText{.attempted = fmt::format("{}: remove {}", event.where, event.name),
                                .expected = "ENTRY/NAME of what is there",
                                .found = to_json().dump()});
  const std::string target = names->second[name];
  for (auto& [other, links] : names_) std::erase_if(links, [&](const auto& link) { return link.second == target; });
  if (const auto state = parse_directory_name(target)) states_.erase(*state);
  abandoned_.erase(target);
}

json SimulatedDisk::to_json() const {
  json states = json::array(), names = json::object();
  for (const auto& [name, saved] : states_) states.push_back(directory_name(name));
  for (const auto& [path, saved] : abandoned_) states.push_back(path);
  for (const auto& [entry, links] : names_)
    if (!links.empty()) names[entry] = links;
  return {{"states", std::move(states)}, {"names", std::move(names)}};
}

}  // namespace holdfast
