#include "checkpoint/engine/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/engine/commit.h"

namespace holdfast {

CheckpointStore::CheckpointStore(FileSystem& files, Path checkpoints, std::vector<CheckpointOptions> policy, int attempt)
    : files_(files), checkpoints_(std::move(checkpoints)), policy_(std::move(policy)), attempt_(attempt) {}

CheckpointName CheckpointStore::next_name(std::int64_t step) const {
  CheckpointName name{step, 0};
  for (const StoredState& state : history_)
    if (state.step == step) name.version = std::max(name.version, state.version + 1);
  return name;
}

void CheckpointStore::prepare(const CheckpointName& name, std::uint64_t bytes) {
  prepare_pending(files_, checkpoints_, pending(name));
  const std::uint64_t available = files_.available_bytes(checkpoints_);
  if (available >= bytes) return;
  discard(name);
  throw StorageError(ErrorText{.attempted = "write to " + checkpoints_.string(),
                               .expected = fmt::format("{} bytes of free space", bytes),
                               .found = fmt::format("{}", available),
                               .next = "free space on that file system, or keep fewer states"});
}

void CheckpointStore::commit(const CheckpointName& name, const std::vector<std::string>& entries, const std::string& manifest_text) {
  publish(files_, checkpoints_, pending(name), name, manifest_text);
  history_.push_back({.step = name.step, .version = name.version, .entries = entries});
}

void CheckpointStore::tidy() {
  const CheckpointName name{history_.back().step, history_.back().version};
  try {
    point_last_to(files_, checkpoints_, name);
    apply_retention();
  } catch (const std::exception& error) {
    log_error("{} is durable, what should have followed failed (the next save tries again): {}", directory_name(name), error.what());
  }
}

void CheckpointStore::discard(const CheckpointName& name) {
  // On a full disk the next save has no other space.
  const Path directory = checkpoints_ / pending(name);
  try {
    remove_tree(files_, directory);
  } catch (const std::exception& error) {
    log_warning("{} stays until the next start: {}", directory.string(), error.what());
  }
}

void CheckpointStore::apply_retention() {
  for (StoredState& state : history_) state.is_protected = resumed_from_ && CheckpointName{state.step, state.version} == *resumed_from_;
  const std::vector<std::size_t> doomed = states_to_delete(policy_, history_);
  for (auto index = doomed.rbegin(); index != doomed.rend(); ++index) {
    const auto state = history_.begin() + static_cast<std::ptrdiff_t>(*index);
    retire(files_, checkpoints_, {state->step, state->version});
    history_.erase(state);
  }
}

void CheckpointStore::take_over(std::optional<CheckpointName> chosen, const std::string& why, const std::vector<Path>& damaged) {
  resumed_from_ = chosen;
  move_last();
  const std::string abandoned = free_abandoned_name(files_, checkpoints_, attempt_);
  for (const CheckpointName& name : list_checkpoints(files_, checkpoints_)) {
    if (std::find(damaged.begin(), damaged.end(), checkpoints_ / directory_name(name)) != damaged.end())
      abandon(files_, checkpoints_, name, abandoned, "it is damaged");
    else if (!resumed_from_ || name > *resumed_from_)
      abandon(files_, checkpoints_, name, abandoned, why);
  }
  read_history();
}

void CheckpointStore::move_last() {
  const Path last = checkpoints_ / kLastLink;
  try {
    const bool is_there = files_.kind(last) == FileKind::link;
    if (resumed_from_ && !(is_there && files_.read_link(last) == directory_name(*resumed_from_)))
      point_last_to(files_, checkpoints_, *resumed_from_);
    else if (!resumed_from_ && is_there)
      files_.remove_file(last);
  } catch (const std::exception& error) {
    log_warning("{} may point to a checkpoint that is set aside: {}", last.string(), error.what());
  }
}

void CheckpointStore::read_history() {
  history_.clear();
  for (const CheckpointName& name : list_checkpoints(files_, checkpoints_)) try {
      const Manifest manifest = read_facts(files_, checkpoints_ / directory_name(name));
      history_.push_back({.step = name.step, .version = name.version, .entries = manifest.entries});
    } catch (const Error& error) {
      log_warning("{} is left alone: {}", directory_name(name), error.what());
    }
}

}  // namespace holdfast
