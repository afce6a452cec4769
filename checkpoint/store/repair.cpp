#include "checkpoint/store/repair.h"

#include <fmt/format.h>

#include "base/error.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/store/commit.h"
#include "checkpoint/store/standing.h"

namespace holdfast {
namespace {

/// The newest state with a manifest that can be read.
std::optional<CheckpointName> newest_readable(FileSystem& files, const Path& checkpoints, std::vector<std::string>& notes) {
  const std::vector<CheckpointName> states = list_checkpoints(files, checkpoints);
  for (auto state = states.rbegin(); state != states.rend(); ++state) try {
      read_facts(files, checkpoints / directory_name(*state));
      return *state;
    } catch (const Error& error) {
      notes.push_back(fmt::format("{} stays as it is, and nothing goes by it: {}", directory_name(*state), error.what()));
    }
  return std::nullopt;
}

}  // namespace

RepairPlan plan_repair(FileSystem& files, const Path& checkpoints) {
  RepairPlan plan;
  plan.leftovers = list_leftovers(files, checkpoints);
  const std::optional<CheckpointName> newest = newest_readable(files, checkpoints, plan.notes);
  const std::optional<Path> from = newest ? std::optional(checkpoints / directory_name(*newest)) : std::nullopt;
  Standing standing = standing_of(files, checkpoints, {}, newest, from);
  for (const auto* told : {&standing.warnings, &standing.notes}) plan.notes.insert(plan.notes.end(), told->begin(), told->end());
  plan.wrong_names = std::move(standing.wrong_names);
  for (const auto& [path, state] : standing.state.links())
    if (const NameLink link{path, directory_name(state)}; !is_right(files, checkpoints, link)) plan.names.push_back(link);
  const NameLink last{kLastLink, newest ? directory_name(*newest) : ""};
  const bool is_there = files.kind(checkpoints / kLastLink) == FileKind::link;
  const bool is_dangling = is_there && list_checkpoints(files, checkpoints).empty();
  if (newest ? !is_right(files, checkpoints, last) : is_dangling) plan.last = last;
  return plan;
}

void repair(FileSystem& files, const Path& checkpoints, const RepairPlan& plan) {
  for (const std::string& path : plan.leftovers) remove_leftover(files, checkpoints, path);
  for (const std::string& path : plan.wrong_names) remove_name(files, checkpoints, path);
  for (const NameLink& link : plan.names) point_name(files, checkpoints, link);
  if (!plan.last) return;
  if (const auto state = parse_directory_name(plan.last->target))
    point_last_to(files, checkpoints, *state);
  else
    files.remove_file(checkpoints / kLastLink);
}

}  // namespace holdfast
