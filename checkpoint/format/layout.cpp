#include "checkpoint/format/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

namespace holdfast {
Path RunLayout::attempt_logs(int attempt) const { return root / "logs" / fmt::format("attempt-{:03d}", attempt); }

Path RunLayout::rank_log(int attempt, int rank) const { return attempt_logs(attempt) / fmt::format("rank-{}.log", rank); }

Path RunLayout::exit_record(int attempt, int rank) const { return attempt_logs(attempt) / fmt::format("rank-{}.exit.json", rank); }

Path RunLayout::stacks(int attempt, int rank) const { return attempt_logs(attempt) / fmt::format("rank-{}.stacks.txt", rank); }

Path RunLayout::trace(int attempt, int rank) const { return attempt_logs(attempt) / fmt::format("rank-{}.trace.json", rank); }

Path RunLayout::rank_times(int attempt, int rank) const { return attempt_logs(attempt) / fmt::format("rank-{}.times.json", rank); }

Path RunLayout::operations(int attempt, int rank) const { return attempt_logs(attempt) / fmt::format("rank-{}.operations.json", rank); }

Path RunLayout::launcher_log(int attempt) const { return attempt_logs(attempt) / "launcher.log"; }

bool contains(const std::vector<CheckpointName>& states, const CheckpointName& state) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

std::string directory_name(const CheckpointName& name) {
  const std::string plain = fmt::format("{}{:08d}", name.is_weights ? kWeightsPrefix : kStepPrefix, name.step);
  return name.version == 0 ? plain : fmt::format("{}.{}", plain, name.version);
}

std::string pending_name(const CheckpointName& name, int attempt) { return fmt::format("{}.pending-{}", directory_name(name), attempt); }

std::string deleting_name(const CheckpointName& name) { return directory_name(name) + ".deleting"; }

std::string free_abandoned_name(FileSystem& files, const Path& checkpoints, int attempt) {
  const std::string first = fmt::format("{}{}", kAbandonedPrefix, attempt);
  std::string name = first;
  for (int again = 1; files.kind(checkpoints / name) != FileKind::none; ++again) name = fmt::format("{}.{}", first, again);
  return name;
}

bool is_set_aside(const std::string& name) { return name.starts_with(kAbandonedPrefix); }

bool is_entry_directory(const std::string& name) { return !is_reserved_name(name) && !name.starts_with(kLastLink + std::string(".")); }

bool is_transform_name(std::string_view name) { return is_name(name) && !is_reserved_name(name); }

std::string shard_name(int rank, int world_size) { return fmt::format("shard-{:05d}-of-{:05d}.h5", rank, world_size); }

std::optional<CheckpointName> parse_directory_name(const std::string& name) {
  static const std::regex kForm(fmt::format(R"(({}|{})(\d{{8,18}})(?:\.([1-9]\d{{0,8}}))?)", kStepPrefix, kWeightsPrefix));
  std::smatch match;
  if (!std::regex_match(name, match, kForm)) return std::nullopt;
  const CheckpointName parsed{std::stoll(match[2]), match[3].matched ? std::stoi(match[3]) : 0, match[1] == kWeightsPrefix};
  // Only what directory_name() would print: one name for one state.
  return directory_name(parsed) == name ? std::optional(parsed) : std::nullopt;
}

bool is_leftover(const std::string& name) {
  static const std::regex kForm(R"(([^.]*(?:\.\d+)?)\.(?:pending-\d+|deleting))");
  std::smatch match;
  return std::regex_match(name, match, kForm) && parse_directory_name(match[1]).has_value();
}

std::vector<CheckpointName> list_checkpoints(FileSystem& files, const Path& checkpoints) {
  std::vector<CheckpointName> found = list_all_checkpoints(files, checkpoints);
  std::erase_if(found, [](const CheckpointName& name) { return name.is_weights; });
  return found;
}

std::vector<CheckpointName> list_all_checkpoints(FileSystem& files, const Path& checkpoints) {
  std::vector<CheckpointName> found;
  for (const std::string& name : files.list(checkpoints)) {
    const auto parsed = parse_directory_name(name);
    if (parsed && files.kind(checkpoints / name) == FileKind::directory) found.push_back(*parsed);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace holdfast
