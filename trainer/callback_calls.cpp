// Trainer: what callbacks are told, and when they are asked.
#include "trainer/trainer.h"

namespace holdfast {

RunView Trainer::view() const {
  return {.state = state_,
          .last_step = run_.last_step,
          .epoch_samples = parts_.training.epoch_samples(),
          .model = parts_.task.model(),
          .clock = parts_.clock};
}

void Trainer::tell_callbacks(const Vote& facts, const StepStart& before) {
  if (state_.samples_seen == before.samples_seen) return;  // a stop came between two batches of an update: nothing of them is kept
  const StepFacts step{.loss_sum = facts.loss_sum, .count = facts.count};
  if (has_trained(before))
    parts_.callbacks.each("on_step_end", [&](Callback& callback) { callback.on_step_end(view(), step, parts_.ranks); });
  if (epochs_in(state_.samples_seen) > epochs_in(before.samples_seen)) end_epoch();
  ask_for_end();
}

void Trainer::begin_epoch() {
  updates_before_epoch_.clear();
  for (const auto& optimizer : optimization_.all()) updates_before_epoch_[optimizer->name()] = optimizer->updates();
  parts_.callbacks.each("on_epoch_start", [&](Callback& callback) { callback.on_epoch_start(view(), parts_.ranks); });
}

void Trainer::end_epoch() {
  if (is_rank_0()) warn_of_idle_optimizers();
  parts_.callbacks.each("on_epoch_end", [&](Callback& callback) { callback.on_epoch_end(view(), parts_.ranks); });
}

void Trainer::end_callbacks() {
  parts_.callbacks.each("on_fit_end", [&](Callback& callback) { callback.on_fit_end(view(), parts_.ranks); });
}

void Trainer::ask_for_end() {
  if (!is_over()) end_reason_ = parts_.callbacks.agree_on_end(parts_.ranks);
}

}  // namespace holdfast
