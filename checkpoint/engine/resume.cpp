// Checkpointer: which checkpoint a run goes on from, decided by rank 0, agreed on by all.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/engine/answers.h"
#include "checkpoint/engine/checkpointer.h"
#include "checkpoint/format/copies.h"
#include "checkpoint/format/given_path.h"
#include "checkpoint/store/commit.h"

namespace holdfast {

using nlohmann::json;

namespace {

void require_resumable(const Path& path, const Manifest& manifest, RestoreScope scope) {
  if (scope != RestoreScope::everything || manifest.is_resumable) return;
  const bool is_transformed = manifest.role.starts_with(kTransformedPrefix);
  const std::string weights_alone = fmt::format("`init_from: {}` starts a run at step 0 with these weights", path.string());
  throw ConfigError(ErrorText{
      .attempted = "resume from " + path.string(),
      .expected = "a state that a run can go on from",
      .found = "role " + manifest.role,
      .cause = is_transformed ? "it holds changed weights, without optimizer and generators"
                              : "it holds weights alone, without optimizer and generators",
      .next = is_transformed ? fmt::format("`resume: {}` goes on from its original; {}", path.parent_path().string(), weights_alone)
                             : fmt::format("`resume: {}` goes on from the newest whole state of its run; {}",
                                           path.parent_path().parent_path().string(), weights_alone)});
}

std::string text_of(const std::vector<Path>& paths) {
  json names = json::array();
  for (const Path& path : paths) names.push_back(path.string());
  return dump_any(names);
}

std::vector<Path> paths_of(const std::string& text) {
  std::vector<Path> paths;
  for (const json& name : json::parse(text)) paths.emplace_back(name.get<std::string>());
  return paths;
}

}  // namespace

std::string Checkpointer::verdict_on(const json& mine) {
  const std::vector<std::string> answers = ranks_.gather(dump_any(mine), 0);
  json verdict = json::object();
  if (ranks_.rank() == 0) {
    for (const std::string& answer : answers)
      if (json::parse(answer).contains("is_configuration")) verdict["is_configuration"] = true;
    verdict["error"] = failures_in(answers);
  }
  verdict = json::parse(broadcast_text(ranks_, dump_any(verdict), 0));
  if (verdict.contains("is_configuration")) throw ConfigError(verdict["error"].get<std::string>());
  return verdict["error"].get<std::string>();
}

std::optional<Restored> Checkpointer::try_restore(const Path& path, const Targets& targets_of, RestoreScope scope, std::string& failure) {
  // Rank 0's manifest is the decision; every rank checks the same text.
  std::string text;
  if (ranks_.rank() == 0) try {
      text = read_manifest_text(files_, path);
    } catch (const Error& error) {
      failure = error.what();
    }
  text = broadcast_text(ranks_, text, 0);
  failure = broadcast_text(ranks_, failure, 0);
  if (!failure.empty()) return std::nullopt;

  Restored restored{.path = path};
  restored.is_of_this_run =
      std::filesystem::weakly_canonical(path.parent_path()) == std::filesystem::weakly_canonical(layout_.checkpoints());
  json answer = json::object();
  std::vector<StateEntry> targets;
  try {
    restored.manifest = manifest_from_text(text, (path / kManifestName).string());
    targets = targets_of(restored.manifest);
    if (ranks_.rank() == 0) require_own_place(files_, path, restored.manifest);
    require_resumable(path, restored.manifest, scope);
    require_same_tensors(path, restored.manifest, targets, scope);
  } catch (const ConfigError& error) {
    answer = {{"error", error.what()}, {"is_configuration", true}};
  } catch (const std::exception& error) {  // whatever it was: the others wait to hear
    answer = {{"error", error.what()}};
  }
  failure = verdict_on(answer);
  if (!failure.empty()) return std::nullopt;
  const RestoreResult result = restore_tensors(ranks_, files_, path, restored.manifest, targets, scope);
  failure = verdict_on(result.failure.empty() ? json::object() : json{{"error", result.failure}});
  if (!failure.empty()) return std::nullopt;
  restored.is_new_rank = ranks_.rank() >= restored.manifest.world_size;
  return restored;
}

std::optional<Restored> Checkpointer::restore(const std::string& resume, const std::vector<StateEntry>& live) {
  settle();
  std::vector<StateEntry> targets = live;
  targets.push_back(step_entry(0));
  sections_.enter(Section::restore, 0);
  sections_.point();
  const std::vector<Path> paths = paths_to_try(resume);  // refuses before anything is changed
  if (ranks_.rank() == 0) sweep_leftovers(files_, layout_.checkpoints());
  std::vector<Path> damaged;
  std::string tried;
  for (const Path& path : paths) {
    std::string failure;
    std::optional<Restored> restored = try_restore(
        path, [&](const Manifest&) { return targets; }, RestoreScope::everything, failure);
    if (restored) {
      durable_step_ = restored->manifest.global_step;
      for (const StateEntry& entry : live) saved_tensors_.push_back(entry.info);
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
        if (read_facts(files_, layout_.checkpoints() / directory_name(name)).attempt >= first_attempt) choice = "auto";
      } catch (const Error&) {
        continue;  // the restore says what is wrong with it
      }
  return broadcast_text(ranks_, choice, 0);
}

std::vector<Path> Checkpointer::paths_to_try(const std::string& resume) {
  if (resume == "none") return {};
  if (resume != "auto") return given("resume", resume);
  std::vector<Path> paths;
  if (ranks_.rank() == 0)
    for (const CheckpointName& name : list_checkpoints(files_, layout_.checkpoints()))
      paths.insert(paths.begin(), layout_.checkpoints() / directory_name(name));
  return paths_of(broadcast_text(ranks_, text_of(paths), 0));
}

std::vector<Path> Checkpointer::given(const std::string& key, const Path& path) {
  std::vector<Path> states;
  std::string refusal;
  if (ranks_.rank() == 0) try {
      states = states_of(files_, path);
      std::reverse(states.begin(), states.end());
      if (states.empty()) refusal = to_string(no_checkpoint_at(files_, path, fmt::format("{}: {}", key, path.string())));
    } catch (const std::exception& error) {  // the others wait to hear
      refusal = error.what();
    }
  refusal = broadcast_text(ranks_, refusal, 0);
  if (!refusal.empty()) throw ConfigError(refusal);
  return paths_of(broadcast_text(ranks_, text_of(states), 0));
}

Manifest Checkpointer::load_weights(const Path& checkpoint, const Targets& targets) {
  std::string failure;
  const std::optional<Restored> restored = try_restore(checkpoint, targets, RestoreScope::model_only, failure);
  if (!restored) throw CorruptCheckpoint(ErrorText{.attempted = "take the weights of " + checkpoint.string(), .cause = failure});
  return restored->manifest;
}

std::optional<Path> Checkpointer::best_of(const std::string& name) {
  settle();
  std::string best;
  if (ranks_.rank() == 0)
    for (const CheckpointOptions& options : store_.policy())
      for (const EntryState& entry : store_.state().entries) {
        if (options.name != name || entry.entry != name) continue;
        if (const NamedState* found = holdfast::best_of(options, entry))
          best = (layout_.checkpoints() / directory_name(found->state)).string();
      }
  best = broadcast_text(ranks_, best, 0);
  return best.empty() ? std::nullopt : std::optional<Path>(best);
}

void Checkpointer::take_over(const Restored* chosen, const std::vector<Path>& damaged) {
  if (chosen && chosen->is_of_this_run) {
    const CheckpointName name{chosen->manifest.global_step, chosen->manifest.version};
    store_.take_over(name, chosen->path, fmt::format("the run goes on from step {}", name.step), damaged);
  } else if (chosen) {
    store_.take_over(std::nullopt, chosen->path, "the run goes on from " + chosen->path.string(), damaged);
  } else {
    store_.take_over(std::nullopt, std::nullopt, "the run starts from the beginning", damaged);
  }
  asked_ = store_.state();
  minutes_before_ = asked_.minutes;
  start_seconds_ = clock_.seconds();
}

}  // namespace holdfast
