// Trainer: at which boundary a state is saved, and what becomes of a save that has ended.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "options/metric_name.h"
#include "trainer/state/training_state.h"
#include "trainer/trainer.h"

namespace holdfast {

Boundary Trainer::boundary(const StepEvent& event, const std::optional<Vote>& facts) const {
  const std::int64_t epoch = std::max<std::int64_t>(state_.samples_seen - 1, 0) / parts_.training.epoch_samples();
  Boundary here{.position = {.epoch = epoch, .batch = state_.batch_index, .step = state_.global_step}, .step = event};
  if (facts && facts->count > 0) here.metrics[kTrainLoss] = facts->loss_sum / static_cast<double>(facts->count);
  here.has_validated = measured_batch_ == state_.batch_index;
  if (here.has_validated) here.metrics.merge(metrics_of(state_.validations.back()));
  return here;
}

void Trainer::save_if_due(const Boundary& boundary, bool is_time_up, bool must_succeed) {
  if (!may_save(configuration_.checkpoints, boundary, is_time_up)) return;
  const SectionTracker::Charge charge(parts_.sections, TimeCause::checkpoint);
  if (checkpointer_.is_saving()) {
    const double start = parts_.clock.seconds();
    report_save(checkpointer_.finish_save());
    const double waited = parts_.clock.seconds() - start;
    if (is_rank_0() && waited > 0.1 && !must_succeed)
      log_warning("waited {:.2f} s for the save before this one: storage is slower than checkpoints are due", waited);
  }
  if (metrics_) metrics_->sync();  // outside: a failure that only rank 0 knows must not keep it out of the others' collectives
  const bool is_saving = checkpointer_.begin_save(snapshot(), boundary);
  if (is_saving && (must_succeed || !configuration_.saving.asynchronous)) report_save(checkpointer_.finish_save(), must_succeed);
}

void Trainer::save_before_failure(const RunState& before) try {
  state_ = before;
  before_group_.put_back();
  Boundary here = boundary(count_step(start_of(state_)), std::nullopt);
  here.interruption = Interruption::exception;
  save_if_due(here, false, true);
} catch (const std::exception& error) {
  log_error("the state before the failure is not saved: {}", error.what());
}

/// For people and `holdfast report`: the states themselves go with retention. A line that cannot be written is worth no failure.
void Trainer::record_save(const SaveResult& result) const {
  const nlohmann::json line = {{"step", result.global_step},
                               {"is_durable", result.failure.empty()},
                               {"is_resumable", result.is_resumable},
                               {"seconds", result.seconds},
                               {"bytes", result.bytes},
                               {"attempt", settings_.attempt},
                               {"unix_seconds", parts_.clock.unix_seconds()}};
  try {
    parts_.files.append(settings_.layout.saves(), line.dump() + "\n");
  } catch (const StorageError& error) {
    log_warning("the report will not know of this save: {}", error.what());
  }
}

void Trainer::report_save(const std::optional<SaveResult>& result, bool must_succeed) {
  if (!result) return;
  longest_save_seconds_ = std::max(longest_save_seconds_, result->seconds);
  if (is_rank_0()) record_save(*result);
  parts_.callbacks.each("on_checkpoint", [&](Callback& callback) { callback.on_checkpoint(view(), *result); });
  if (result->failure.empty()) {
    failed_saves_ = 0;
    if (parts_.heartbeat) parts_.heartbeat->block().durable_step = checkpointer_.durable_step();
    if (is_rank_0())
      log_info("{} of step {} {} durable ({:.2f} s)", result->is_resumable ? "checkpoint" : "weights", result->global_step,
               result->is_resumable ? "is" : "are", result->seconds);
    for (const std::string& failure : result->failed_transforms)
      log_error("step {} is stored without the transformed weights of {}; the next save tries again", result->global_step, failure);
    return;
  }
  if (result->is_corruption)
    throw Error(result->failure, configuration_.saving.on_corruption == Corruption::stop ? kExitData : kExitSoftware);
  if (must_succeed) throw StorageError(result->failure);
  if (++failed_saves_ >= configuration_.saving.max_failures && configuration_.saving.on_failure == FailedSaves::stop)
    throw StorageError(
        fmt::format("{} saves in a row have failed (saving.on_failure: stop); the last one: {}", failed_saves_, result->failure));
  if (is_rank_0()) log_error("{}", result->failure);  // training goes on; the next due save tries again
}

Snapshot Trainer::snapshot() const {
  return {.global_step = state_.global_step,
          .entries = training_state(parts_.task, optimization_, parts_.copies),
          .state = to_json(state_),
          .options = options_,
          .environment = environment(),
          .transforms = parts_.copies.transforms(),
          .changes_at_any_time = parts_.task.is_manual()};
}

}  // namespace holdfast
