// Trainer: what cannot be asked of a task that steps its optimizers itself.
#include "base/error.h"
#include "trainer/trainer.h"

namespace holdfast {

void Trainer::check_manual_task() const {
  const auto refuse = [](const char* what, const std::string& expected, const std::string& found, const char* cause, const char* next) {
    throw ConfigError(ErrorText{.attempted = what,
                                .expected = expected + " with a task that steps its optimizers itself",
                                .found = found,
                                .cause = cause,
                                .next = next});
  };
  const TrainerOptions& trainer = configuration_.trainer;
  if (trainer.accumulate_batches > 1)
    refuse("trainer.accumulate_batches", "1", std::to_string(trainer.accumulate_batches),
           "it would have no effect: such a task steps when it wants to", "remove the key");
  if (trainer.on_nonfinite == BadNumbers::skip)
    refuse("trainer.on_nonfinite", "stop or rollback", "skip", "what it has stepped with the same batch already cannot be taken back",
           "`on_nonfinite: rollback` goes back to a checkpoint, and leaves the batch out");
  if (trainer.loss_spike.factor)
    refuse("trainer.loss_spike_factor", "null", std::to_string(*trainer.loss_spike.factor),
           "such a task has a loss for each optimizer, and they have been stepped when all of them are known", "remove the key");
  if (saves_on_exception_)
    throw ConfigError(ErrorText{.attempted = "checkpoints: on_exception",
                                .expected = "a task whose steps the trainer makes",
                                .found = "one that steps its optimizers itself",
                                .cause = "when such a task fails, what it has stepped already cannot be taken back",
                                .next = "leave on_exception out; the state is saved by the other triggers"});
}

}  // namespace holdfast
