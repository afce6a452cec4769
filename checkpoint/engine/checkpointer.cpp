#include "checkpoint/engine/checkpointer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/host.h"
#include "base/log.h"
#include "checkpoint/engine/commit.h"
#include "checkpoint/engine/partition.h"
#include "checkpoint/format/shard.h"

namespace holdfast {
namespace {

using nlohmann::json;

/// JSON of texts that came from anywhere: what is no UTF-8 becomes U+FFFD instead of another failure.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// A rank's answer to rank 0: a record, or why there is none.
std::string failure_text(const std::string& what) { return dump({{"error", what}}); }

/// Does one rank's part of a collective and returns why it failed, empty if it did not. Whatever it was: the others wait to hear.
template <class Step>
std::string failure_of(const Step& step) {
  try {
    step();
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// "rank 1: ..." for each answer that is a failure.
std::string failures_in(const std::vector<std::string>& answers) {
  std::string text;
  for (std::size_t rank = 0; rank < answers.size(); ++rank) {
    const json answer = json::parse(answers[rank]);
    if (answer.contains("error")) text += fmt::format("{}rank {}: {}", text.empty() ? "" : "; ", rank, answer["error"].get<std::string>());
  }
  return text;
}

/// A checkpoint that was moved to another step's name would be taken for one that this run has gone beyond.
void require_own_name(const Path& path, const Manifest& manifest) {
  const CheckpointName own{manifest.global_step, manifest.version};
  const auto name = parse_directory_name(path.filename().string());
  if (name && *name != own)
    throw CorruptCheckpoint(ErrorText{.attempted = "restore from " + path.string(),
                                      .expected = directory_name(own) + ", by its manifest",
                                      .found = path.filename().string(),
                                      .next = "give it its own name again"});
}

/// The tensor as it stands in the manifest.
std::vector<TensorInfo> infos_of(const std::vector<StateEntry>& entries) {
  std::vector<TensorInfo> infos;
  for (const StateEntry& entry : entries) infos.push_back(entry.info);
  return infos;
}

void require_resumable(const Path& path, const Manifest& manifest, RestoreScope scope) {
  if (scope == RestoreScope::everything && !manifest.is_resumable)
    throw ConfigError(ErrorText{.attempted = "resume from " + path.string(),
                                .expected = "a resumable checkpoint",
                                .found = "role " + manifest.role,
                                .next = "use its original, or `init_from` for the weights alone"});
}

}  // namespace

Checkpointer::Checkpointer(Dependencies dependencies, RunLayout layout, std::vector<CheckpointOptions> entries, int attempt)
    : ranks_(dependencies.ranks),
      files_(dependencies.files),
      clock_(dependencies.clock),
      sections_(dependencies.sections),
      layout_(std::move(layout)),
      entries_(std::move(entries)),
      attempt_(attempt) {}

void Checkpointer::save(const Snapshot& snapshot, const std::vector<std::string>& entries) {
  sections_.enter(Section::checkpoint, snapshot.global_step);
  const CheckpointName name = next_name(snapshot.global_step);
  const std::string pending = pending_name(name, attempt_);

  std::string failure;
  if (ranks_.rank() == 0) failure = failure_of([&] { prepare_pending(files_, layout_.checkpoints(), pending); });
  failure = broadcast_text(ranks_, failure, 0);
  if (failure.empty()) {
    const std::vector<std::string> shards = ranks_.gather(write_my_shard(snapshot, pending), 0);
    sections_.enter(Section::commit, snapshot.global_step);
    sections_.point();
    if (ranks_.rank() == 0) {
      failure = failures_in(shards);
      if (failure.empty()) failure = failure_of([&] { commit(snapshot, pending, name, shards, entries); });
      if (!failure.empty()) discard(pending);
    }
    failure = broadcast_text(ranks_, failure, 0);
  }
  if (!failure.empty())
    throw StorageError(
        ErrorText{.attempted = fmt::format("save the checkpoint of step {}", snapshot.global_step),
                  .cause = failure,
                  .next = fmt::format("the newest good checkpoint is that of step {}; the next save tries again", durable_step_)});
  durable_step_ = snapshot.global_step;
}

CheckpointName Checkpointer::next_name(std::int64_t step) const {
  // Only rank 0 knows the disk; the name travels to the others with the pending directory's.
  CheckpointName name{step, 0};
  if (ranks_.rank() == 0)
    for (const StoredState& state : history_)
      if (state.step == step) name.version = std::max(name.version, state.version + 1);
  ranks_.broadcast(std::as_writable_bytes(std::span(&name.version, 1)), 0);
  return name;
}

std::string Checkpointer::write_my_shard(const Snapshot& snapshot, const std::string& pending) {
  std::string record;
  const std::string failure = failure_of([&] { record = to_json(write_parts(snapshot, pending)).dump(); });
  return failure.empty() ? record : failure_text(failure);
}

ShardRecord Checkpointer::write_parts(const Snapshot& snapshot, const std::string& pending) {
  const std::vector<Part> parts = parts_of_rank(snapshot.entries, ranks_.rank(), ranks_.size());
  std::size_t bytes = 0;
  const auto bytes_of = [&](const Part& part) {
    return static_cast<std::size_t>(part.slice.count) * size_of(snapshot.entries[part.entry].info.dtype);
  };
  for (const Part& part : parts) bytes += bytes_of(part);
  if (staging_.size() < bytes) staging_.resize(bytes);

  std::vector<ShardPiece> pieces;
  std::size_t at = 0;
  for (const Part& part : parts) {
    const StateEntry& entry = snapshot.entries[part.entry];
    const std::span<std::byte> place = std::span(staging_).subspan(at, bytes_of(part));
    entry.copy_to(static_cast<std::uint64_t>(part.slice.offset - entry.slice.offset) * size_of(entry.info.dtype), place);
    pieces.push_back({entry.info, part.slice, place});
    at += place.size();
  }
  const Path directory = layout_.checkpoints() / pending;
  const Path path = directory / shard_name(ranks_.rank(), ranks_.size());
  ShardRecord record =
      write_shard(files_, path, pieces, {snapshot.global_step, ranks_.rank(), ranks_.size()}, [this] { sections_.point(); });
  files_.sync_directory(directory);
  record.host = host_name();
  return record;
}

void Checkpointer::commit(const Snapshot& snapshot, const std::string& pending, const CheckpointName& name,
                          const std::vector<std::string>& shards, const std::vector<std::string>& entries) {
  Manifest manifest{.id = random_token(),
                    .global_step = name.step,
                    .version = name.version,
                    .attempt = attempt_,
                    .world_size = ranks_.size(),
                    .created = utc_time(clock_.unix_seconds()),
                    .entries = entries,
                    .tensors = infos_of(snapshot.entries),
                    .state = snapshot.state,
                    .options = snapshot.options,
                    .environment = snapshot.environment};
  for (const std::string& shard : shards) manifest.shards.push_back(shard_record_from_json(json::parse(shard), "the rank's report"));
  publish(files_, layout_.checkpoints(), pending, manifest);
  history_.push_back({.step = name.step, .version = name.version, .entries = entries});
  try {
    point_last_to(files_, layout_.checkpoints(), name);
    apply_retention();
  } catch (const std::exception& error) {
    log_error("{} is durable, what should have followed failed (the next save tries again): {}", directory_name(name), error.what());
  }
}

void Checkpointer::discard(const std::string& pending) {
  // On a full disk the next save has no other space.
  const std::string failure = failure_of([&] { remove_tree(files_, layout_.checkpoints() / pending); });
  if (!failure.empty()) log_warning("{} stays until the next start: {}", (layout_.checkpoints() / pending).string(), failure);
}

void Checkpointer::apply_retention() {
  for (StoredState& state : history_) state.is_protected = resumed_from_ && CheckpointName{state.step, state.version} == *resumed_from_;
  const std::vector<std::size_t> doomed = states_to_delete(entries_, history_);
  for (auto index = doomed.rbegin(); index != doomed.rend(); ++index) {
    const auto state = history_.begin() + static_cast<std::ptrdiff_t>(*index);
    retire(files_, layout_.checkpoints(), {state->step, state->version});
    history_.erase(state);
  }
}

std::string Checkpointer::verdict_on(const json& mine) {
  const std::vector<std::string> answers = ranks_.gather(dump(mine), 0);
  json verdict = json::object();
  if (ranks_.rank() == 0) {
    for (const std::string& answer : answers)
      if (json::parse(answer).contains("is_configuration")) verdict["is_configuration"] = true;
    verdict["error"] = failures_in(answers);
  }
  verdict = json::parse(broadcast_text(ranks_, dump(verdict), 0));
  if (verdict.contains("is_configuration")) throw ConfigError(verdict["error"].get<std::string>());
  return verdict["error"].get<std::string>();
}

std::optional<Restored> Checkpointer::try_restore(const Path& path, const std::vector<StateEntry>& targets, RestoreScope scope,
                                                  std::string& failure) {
  // Rank 0's manifest is the decision; every rank checks the same text.
  std::string text;
  if (ranks_.rank() == 0) try {
      text = read_text(files_, path / kManifestName);
    } catch (const StorageError& error) {
      failure = error.what();
    }
  text = broadcast_text(ranks_, text, 0);
  failure = broadcast_text(ranks_, failure, 0);
  if (!failure.empty()) return std::nullopt;

  Restored restored{.path = path};
  restored.is_of_this_run =
      std::filesystem::weakly_canonical(path.parent_path()) == std::filesystem::weakly_canonical(layout_.checkpoints());
  json answer = json::object();
  try {
    restored.manifest = manifest_from_text(text, (path / kManifestName).string());
    require_own_name(path, restored.manifest);
    require_resumable(path, restored.manifest, scope);
    restore_tensors(files_, path, restored.manifest, targets, ranks_.rank(), scope);
  } catch (const ConfigError& error) {
    answer = {{"error", error.what()}, {"is_configuration", true}};
  } catch (const std::exception& error) {  // whatever it was: the others wait to hear
    answer = {{"error", error.what()}};
  }
  failure = verdict_on(answer);
  if (!failure.empty()) return std::nullopt;
  restored.is_new_rank = ranks_.rank() >= restored.manifest.world_size;
  return restored;
}

std::optional<Restored> Checkpointer::restore(const std::string& resume, const std::vector<StateEntry>& targets) {
  sections_.enter(Section::restore, 0);
  sections_.point();
  if (ranks_.rank() == 0) sweep_leftovers(files_, layout_.checkpoints());
  std::vector<Path> damaged;
  std::string tried;
  for (const Path& path : paths_to_try(resume)) {
    std::string failure;
    std::optional<Restored> restored = try_restore(path, targets, RestoreScope::everything, failure);
    if (restored) {
      durable_step_ = restored->manifest.global_step;
      if (ranks_.rank() == 0) take_over(&*restored, damaged);
      ranks_.barrier();
      return restored;
    }
    tried += fmt::format("\n  {}: {}", path.string(), failure);
    damaged.push_back(path);
    if (ranks_.rank() == 0) log_error("cannot restore from {}: {}", path.string(), failure);
  }
  if (!tried.empty())
    throw CorruptCheckpoint(ErrorText{.attempted = "resume",
                                      .expected = "a sound checkpoint",
                                      .found = "none; tried:" + tried,
                                      .next = "`holdfast ckpt verify` names the damage; `resume: none` starts from the beginning"});
  if (ranks_.rank() == 0) take_over(nullptr, {});
  ranks_.barrier();
  return std::nullopt;
}

std::string Checkpointer::resume_of_restart(const std::string& resume, int first_attempt) {
  std::string choice = resume;
  if (ranks_.rank() == 0)
    for (const CheckpointName& name : list_checkpoints(files_, layout_.checkpoints())) try {
        if (read_manifest(files_, layout_.checkpoints() / directory_name(name)).attempt >= first_attempt) choice = "auto";
      } catch (const Error&) {
        continue;  // the restore says what is wrong with it
      }
  return broadcast_text(ranks_, choice, 0);
}

std::vector<Path> Checkpointer::paths_to_try(const std::string& resume) {
  json names = json::array();
  if (ranks_.rank() == 0 && resume != "none") {
    const Path given = resume == "auto" ? layout_.root : Path(resume);
    const RunLayout run{given};
    std::error_code missing;
    if (files_.kind(run.checkpoints()) == FileKind::directory || resume == "auto")
      for (const CheckpointName& name : list_checkpoints(files_, run.checkpoints()))
        names.insert(names.begin(), (run.checkpoints() / directory_name(name)).string());
    else
      names.push_back(std::filesystem::canonical(given, missing).string());
    if (names.empty() || names[0] == "") names = resume == "auto" ? json::array() : json::array({resume});
  }
  const json agreed = json::parse(broadcast_text(ranks_, names.dump(), 0));
  std::vector<Path> paths;
  for (const json& name : agreed) paths.emplace_back(name.get<std::string>());
  return paths;
}

Manifest Checkpointer::load_weights(const Path& checkpoint, const std::vector<StateEntry>& targets) {
  std::string failure;
  const std::optional<Restored> restored = try_restore(checkpoint, targets, RestoreScope::model_only, failure);
  if (!restored) throw CorruptCheckpoint(ErrorText{.attempted = "take the weights of " + checkpoint.string(), .cause = failure});
  return restored->manifest;
}

void Checkpointer::take_over(const Restored* chosen, const std::vector<Path>& damaged) {
  resumed_from_.reset();
  std::string why = "the run starts from the beginning";
  if (chosen && chosen->is_of_this_run) {
    resumed_from_ = {chosen->manifest.global_step, chosen->manifest.version};
    why = fmt::format("the run goes on from step {}", resumed_from_->step);
  } else if (chosen) {
    why = fmt::format("the run goes on from {}", chosen->path.string());
  }
  move_last();
  const std::string abandoned = free_abandoned_name(files_, layout_.checkpoints(), attempt_);
  for (const CheckpointName& name : list_checkpoints(files_, layout_.checkpoints())) {
    const bool is_damaged = std::find(damaged.begin(), damaged.end(), layout_.checkpoints() / directory_name(name)) != damaged.end();
    if (is_damaged)
      abandon(files_, layout_.checkpoints(), name, abandoned, "it is damaged");
    else if (!resumed_from_ || name > *resumed_from_)
      abandon(files_, layout_.checkpoints(), name, abandoned, why);
  }
  read_history();
}

void Checkpointer::move_last() {
  const Path last = layout_.checkpoints() / kLastLink;
  const std::string failure = failure_of([&] {
    const bool is_there = files_.kind(last) == FileKind::link;
    if (resumed_from_ && !(is_there && files_.read_link(last) == directory_name(*resumed_from_)))
      point_last_to(files_, layout_.checkpoints(), *resumed_from_);
    else if (!resumed_from_ && is_there)
      files_.remove_file(last);
  });
  if (!failure.empty()) log_warning("{} may point to a checkpoint that is set aside: {}", last.string(), failure);
}

void Checkpointer::read_history() {
  history_.clear();
  for (const CheckpointName& name : list_checkpoints(files_, layout_.checkpoints())) try {
      const Manifest manifest = read_manifest(files_, layout_.checkpoints() / directory_name(name));
      history_.push_back({.step = name.step, .version = name.version, .entries = manifest.entries});
    } catch (const Error& error) {
      log_warning("{} is left alone: {}", directory_name(name), error.what());
    }
}

}  // namespace holdfast
