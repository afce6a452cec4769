#include "checkpoint/store/standing.h"

#include <fmt/format.h>

#include <map>

#include "checkpoint/format/manifest.h"
#include "checkpoint/store/names.h"

namespace holdfast {
namespace {

/// The names that are not this run's, by entry; those that a kill has left go to `wrong`.
std::map<std::string, std::vector<std::string>> foreign_names(const std::vector<NameLink>& links,
                                                              const std::vector<CheckpointName>& present,
                                                              const std::optional<PolicyState>& recorded, std::vector<std::string>& wrong) {
  std::map<std::string, std::vector<std::string>> foreign;
  const std::map<std::string, CheckpointName> own = recorded ? recorded->links() : std::map<std::string, CheckpointName>{};
  for (const NameLink& link : links) {
    const std::optional<CheckpointName> state = parse_directory_name(link.target);
    const bool is_dangling = state && !contains(present, *state);
    // Of a state that this run keeps, a name that it does not: a kill came before it was removed.
    const bool is_left_over = state && recorded && contains(recorded->states, *state);
    const auto known = own.find(link.path);
    if (known != own.end() && contains(present, known->second)) continue;  // it will be made to point there
    const std::size_t slash = link.path.find('/');
    if (is_dangling || (is_left_over && known == own.end()))
      wrong.push_back(link.path);
    else if (known == own.end())
      foreign[link.path.substr(0, slash)].push_back(link.path.substr(slash + 1));
  }
  return foreign;
}

}  // namespace

std::optional<PolicyState> recorded_by(FileSystem& files, const Path& from, std::vector<std::string>& warnings) {
  try {
    const Manifest manifest = read_facts(files, from);
    if (!manifest.retention.is_null()) return policy_state_from_json(manifest.retention);
  } catch (const std::exception& error) {
    warnings.push_back(
        fmt::format("what the policy had decided by {} cannot be read, nothing older is removed: {}", from.string(), error.what()));
  }
  return std::nullopt;
}

Standing standing_of(FileSystem& files, const Path& checkpoints, const std::vector<CheckpointOptions>& policy,
                     std::optional<CheckpointName> resumed, const std::optional<Path>& from) {
  Standing standing;
  const std::vector<CheckpointName> present = list_all_checkpoints(files, checkpoints);
  const std::optional<PolicyState> recorded = from ? recorded_by(files, *from, standing.warnings) : std::nullopt;
  const bool is_own = resumed.has_value();
  const auto foreign = foreign_names(list_names(files, checkpoints), present, is_own ? recorded : std::nullopt, standing.wrong_names);
  standing.state = take_over(policy,
                             {.recorded = recorded,
                              .resumed = resumed,
                              .other_run = from && !is_own ? from->parent_path().string() : "",
                              .present = present,
                              .names = foreign},
                             standing.notes);
  return standing;
}

}  // namespace holdfast
