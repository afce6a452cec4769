// Trainer: the end of a run, and with which weights; the end of an attempt that was asked to stop.
#include <fmt/format.h>

#include "base/error.h"
#include "base/host.h"
#include "base/log.h"
#include "trainer/state/model_state.h"
#include "trainer/trainer.h"
#include "trainer/validation.h"

namespace holdfast {

using nlohmann::json;

json Trainer::load_best() {
  json loaded;
  for (const CheckpointOptions& entry : configuration_.checkpoints) {
    if (!entry.load_best_at_end) continue;
    const std::optional<Path> best = checkpointer_.best_of(entry.name);
    if (!best) {
      if (is_rank_0()) log_warning("{}: the run ends with its last weights, no state has a score by {}", entry.name, entry.monitor);
      continue;
    }
    const std::string& measured = entry.measured_weights;
    const Path weights = measured.empty() ? *best : *best / measured;
    BoundaryCopy last([this] { return model_entries(parts_.task.model()); });
    last.take();
    try {
      const Manifest manifest = load_weights(checkpointer_, weights, parts_.task.model());
      loaded = {{"entry", entry.name}, {"checkpoint", best->filename().string()}, {"step", manifest.global_step}, {"role", manifest.role}};
      if (is_rank_0())
        log_info("{}: the weights of {} are the best by {}, and those that the run ends with", entry.name, weights.string(), entry.monitor);
    } catch (const CorruptCheckpoint& error) {  // on every rank alike
      last.put_back();
      if (is_rank_0())
        log_warning("{}: the run ends with its last weights, those of its best state cannot be had: {}", entry.name, error.what());
    }
  }
  return loaded;
}

std::optional<ValidationRecord> Trainer::final_validation(bool has_other_weights) {
  if (has_other_weights && parts_.validation) {
    const ValidationRecord record = *run_validation({parts_.ranks, parts_.sections, parts_.task, *parts_.validation, parts_.metrics},
                                                    configuration_.validation.max_batches, state_.global_step);
    parts_.sections.enter(Section::finish, state_.global_step);
    return record;
  }
  if (has_other_weights || state_.validations.empty()) return std::nullopt;
  return state_.validations.back();
}

namespace {

json done_metrics(const std::optional<ValidationRecord>& record) {
  json metrics = json::object();
  if (!record) return metrics;
  for (const auto& [name, value] : record->metrics) metrics["validation_" + name] = value;
  if (!record->weights.empty()) metrics["validation_weights"] = record->weights;
  return metrics;
}

}  // namespace

void Trainer::finish() {
  report_save(checkpointer_.finish_save(), true);
  checkpointer_.settle();
  parts_.sections.enter(Section::finish, state_.global_step);
  parts_.sections.point();
  progress_->finish();
  end_callbacks();
  const json best = load_best();
  const std::optional<ValidationRecord> measured = final_validation(!best.is_null());
  const std::string hash = parameter_hash(parts_.task.model());
  stop_sources_.obeyed();  // it has come to its end, as was asked
  if (!is_rank_0()) return;
  json done = {{"global_step", state_.global_step},
               {"samples_seen", state_.samples_seen},
               {"parameter_hash", hash},
               {"metrics", done_metrics(measured)},
               {"attempt", settings_.attempt},
               {"world_size", parts_.ranks.size()},
               {"finished", utc_time(parts_.clock.unix_seconds())}};
  if (!best.is_null()) done["best"] = best;
  if (!end_reason_.empty()) done["ended_early"] = end_reason_;
  write_text_durably(parts_.files, settings_.layout.done(), done.dump(2) + "\n");
  if (!best.is_null() && measured) fmt::print("weights of {}: {}\n", best["checkpoint"].get<std::string>(), text_of(*measured));
  if (!end_reason_.empty()) fmt::print("ended before step {}: {}\n", run_.last_step, end_reason_);
  fmt::print("finished: step {}, parameter hash {}\n", state_.global_step, hash);
  std::fflush(stdout);
}

RunEnd Trainer::stop() {
  const std::optional<StopSources::Reason>& mine = stop_sources_.reason(needed_seconds());
  if (is_rank_0())
    log_info("stopped on request after step {}; the newest checkpoint is that of step {}; why: {}", state_.global_step,
             checkpointer_.durable_step(), mine ? mine->text : "a signal asked another rank for it");
  std::optional<std::string> of_run;
  if (mine && mine->is_of_run)
    of_run = mine->text;
  else if (stop_sources_.is_stop_file_there())
    of_run = "a stop file asked for it";
  if (mine && !of_run && parts_.heartbeat) parts_.heartbeat->set_error(mine->text);  // the others do not know
  if (is_rank_0() && of_run && parts_.heartbeat) {
    parts_.heartbeat->set_error(*of_run);
    parts_.heartbeat->block().stops_run = 1;  // before the file goes: a kill between the two must not start the run again
  }
  if (of_run) stop_sources_.obeyed();
  progress_->finish();
  end_callbacks();
  return RunEnd::stopped;
}

}  // namespace holdfast
