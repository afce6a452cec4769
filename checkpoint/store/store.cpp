#include "checkpoint/store/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/store/commit.h"
#include "checkpoint/store/standing.h"

namespace holdfast {

CheckpointStore::CheckpointStore(FileSystem& files, Path checkpoints, std::vector<CheckpointOptions> policy, int attempt)
    : files_(files), checkpoints_(std::move(checkpoints)), policy_(std::move(policy)), attempt_(attempt) {}

Decision CheckpointStore::decide(const Boundary& boundary) {
  Decision decision = holdfast::decide(policy_, state_, boundary);
  for (const EntryDecision& entry : decision.entries) {
    if (entry.is_warning) log_warning("{}: {}", entry.entry, entry.why);
    if (!entry.is_warning && entry.names.empty()) log_info("{}: not saved at step {}: {}", entry.entry, boundary.position.step, entry.why);
  }
  if (decision.writes()) return decision;
  adopt(decision.next);
  if (decision.saves()) tidy();
  return decision;
}

void CheckpointStore::prepare(const Decision& decision, std::uint64_t bytes) {
  for (const StateDecision* state : {&decision.whole, &decision.weights}) {
    if (!state->writes()) continue;
    if (const auto left = std::find(leaving_states_.begin(), leaving_states_.end(), state->name); left != leaving_states_.end()) {
      retire(files_, checkpoints_, state->name);  // a save before has failed to take it back
      leaving_states_.erase(left);
    }
    prepare_pending(files_, checkpoints_, pending(state->name));
    for (const std::string& copy : state->transforms) files_.make_directory(checkpoints_ / pending(state->name) / copy);
  }
  const std::uint64_t available = files_.available_bytes(checkpoints_);
  if (available >= bytes) return;
  discard(decision);
  throw StorageError(ErrorText{.attempted = "write to " + checkpoints_.string(),
                               .expected = fmt::format("{} bytes of free space", bytes),
                               .found = fmt::format("{}", available),
                               .next = "free space on that file system, or keep fewer states"});
}

void CheckpointStore::complete_copy(const CheckpointName& state, const std::string& copy, const std::string& manifest_text) {
  write_manifest(files_, checkpoints_ / pending(state) / copy, manifest_text);
}

void CheckpointStore::drop_copy(const CheckpointName& state, const std::string& copy) {
  remove_tree(files_, checkpoints_ / pending(state) / copy);
}

void CheckpointStore::commit(const Decision& decision, const ManifestTexts& texts) {
  // The state comes last: a run goes on from it, and knows of the weights.
  if (decision.weights.writes()) commit_pending(files_, checkpoints_, pending(decision.weights.name), decision.weights.name, texts.weights);
  if (decision.whole.writes()) try {
      commit_pending(files_, checkpoints_, pending(decision.whole.name), decision.whole.name, texts.whole);
    } catch (const StorageError&) {
      if (decision.weights.writes()) take_back(decision.weights.name);
      throw;
    }
  adopt(decision.next);
}

void CheckpointStore::take_back(const CheckpointName& name) {
  leaving_states_.push_back(name);
  try {
    retire(files_, checkpoints_, name);
    leaving_states_.pop_back();
  } catch (const StorageError& error) {
    log_warning("{} stays until the next save: {}", directory_name(name), error.what());
  }
}

void CheckpointStore::adopt(const PolicyState& next) {
  const auto before = state_.links(), after = next.links();
  for (const auto& [path, state] : before)
    if (!after.contains(path)) leaving_names_.push_back(path);
  for (const auto& [path, state] : after) {
    const auto known = before.find(path);
    if (known == before.end() || known->second != state) entering_names_.push_back({path, directory_name(state)});
  }
  std::erase_if(leaving_names_, [&](const std::string& path) { return after.contains(path); });
  std::erase_if(entering_names_, [&](const NameLink& link) { return !after.contains(link.path); });
  leaving_states_.insert(leaving_states_.end(), next.retiring.begin(), next.retiring.end());
  state_ = next;
}

void CheckpointStore::tidy() {
  try {
    if (state_.newest) point_last_to(files_, checkpoints_, *state_.newest);
    catch_up();
  } catch (const std::exception& error) {
    log_error("what was saved is durable, what should have followed failed (the next save tries again): {}", error.what());
  }
}

void CheckpointStore::catch_up() {
  for (; !entering_names_.empty(); entering_names_.erase(entering_names_.begin()))
    point_name(files_, checkpoints_, entering_names_.front());
  for (; !leaving_names_.empty(); leaving_names_.pop_back()) remove_name(files_, checkpoints_, leaving_names_.back());
  for (; !leaving_states_.empty(); leaving_states_.erase(leaving_states_.begin())) retire(files_, checkpoints_, leaving_states_.front());
}

void CheckpointStore::discard(const Decision& decision) {
  // On a full disk the next save has no other space.
  for (const StateDecision* state : {&decision.whole, &decision.weights}) {
    if (!state->writes()) continue;
    const Path directory = checkpoints_ / pending(state->name);
    try {
      remove_tree(files_, directory);
    } catch (const std::exception& error) {
      log_warning("{} stays until the next start: {}", directory.string(), error.what());
    }
  }
}

void CheckpointStore::take_over(std::optional<CheckpointName> chosen, const std::optional<Path>& from, const std::string& why,
                                const std::vector<Path>& damaged) {
  state_ = {};
  entering_names_.clear();
  leaving_names_.clear();
  state_.resumed = chosen;
  move_last();
  abandon_others(why, damaged, from);
  read_state(from);
  try {
    catch_up();
  } catch (const std::exception& error) {
    log_warning("some names below {} are not as they should be (the next save tries again): {}", checkpoints_.string(), error.what());
  }
}

void CheckpointStore::abandon_others(const std::string& why, const std::vector<Path>& damaged, const std::optional<Path>& from) {
  std::vector<std::string> warnings;  // read_state() tells them
  const std::optional<PolicyState> recorded = from ? recorded_by(files_, *from, warnings) : std::nullopt;
  const std::string abandoned = free_abandoned_name(files_, checkpoints_, attempt_);
  const std::vector<NameLink> names = list_names(files_, checkpoints_);
  for (const CheckpointName& state : list_all_checkpoints(files_, checkpoints_)) {
    const std::string name = directory_name(state);
    const bool is_damaged = std::find(damaged.begin(), damaged.end(), checkpoints_ / name) != damaged.end();
    if (!is_damaged && state_.resumed && !is_later(state, *state_.resumed, recorded)) continue;
    for (const NameLink& link : names) {
      if (link.target != name) continue;
      if (is_damaged)
        remove_name(files_, checkpoints_, link.path);
      else
        point_name(files_, checkpoints_, {link.path, abandoned + "/" + name});
    }
    abandon(files_, checkpoints_, state, abandoned, is_damaged ? "it is damaged" : why);
  }
}

void CheckpointStore::move_last() {
  const Path last = checkpoints_ / kLastLink;
  try {
    const bool is_there = files_.kind(last) == FileKind::link;
    if (state_.resumed && !(is_there && files_.read_link(last) == directory_name(*state_.resumed)))
      point_last_to(files_, checkpoints_, *state_.resumed);
    else if (!state_.resumed && is_there)
      files_.remove_file(last);
  } catch (const std::exception& error) {
    log_warning("{} may point to a checkpoint that is set aside: {}", last.string(), error.what());
  }
}

void CheckpointStore::read_state(const std::optional<Path>& from) {
  Standing standing = standing_of(files_, checkpoints_, policy_, state_.resumed, from);
  for (const std::string& warning : standing.warnings) log_warning("{}", warning);
  for (const std::string& note : standing.notes) log_info("{}", note);
  state_ = std::move(standing.state);
  leaving_names_ = std::move(standing.wrong_names);
  for (const auto& [path, state] : state_.links()) entering_names_.push_back({path, directory_name(state)});
  leaving_states_ = state_.retiring;
}

}  // namespace holdfast
