// Trainer: what callbacks are told, and when they are asked.
#include "trainer/trainer.h"

namespace holdfast {

RunView Trainer::view() const {
  return {.state = state_,
          .last_step = last_step_,
          .epoch_samples = parts_.training.epoch_samples(),
          .model = parts_.task.model(),
          .clock = parts_.clock};
}

void Trainer::tell_callbacks(const Vote& facts, const StepStart& before) {
  const StepFacts step{.loss_sum = facts.loss_sum, .count = facts.count};
  parts_.callbacks.each("on_step_end", [&](Callback& callback) { callback.on_step_end(view(), step, parts_.ranks); });
  if (epochs_in(state_.samples_seen) > epochs_in(before.samples_seen))
    parts_.callbacks.each("on_epoch_end", [&](Callback& callback) { callback.on_epoch_end(view(), parts_.ranks); });
  ask_for_end();
}

void Trainer::end_callbacks() {
  parts_.callbacks.each("on_fit_end", [&](Callback& callback) { callback.on_fit_end(view(), parts_.ranks); });
}

void Trainer::ask_for_end() {
  if (!is_over()) end_reason_ = parts_.callbacks.agree_on_end(parts_.ranks);
}

}  // namespace holdfast
