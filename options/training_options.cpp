// The description of `optimizers`, `trainer` and `validation`: defaults are the members' initial values, everything else
// is here.
#include "options/run_options.h"

namespace holdfast {

void OptimizerOptions::describe(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, OptimizerKind> kKinds[] = {{"sgd", OptimizerKind::sgd}, {"adamw", OptimizerKind::adamw}};
  visitor.choice({.name = "type", .doc = "The rule of the update.", .synonyms = "name kind optimizer"}, type, kKinds);
  visitor.field({.name = "lr", .doc = "Learning rate, before the factor of the schedule.", .min = 0, .synonyms = "learning_rate"}, lr);
  visitor.field({.name = "momentum",
                 .doc = "`sgd` only: how much of the last update stays in the next.",
                 .min = 0,
                 .max = 1,
                 .max_is_excluded = true},
                momentum);
  visitor.field({.name = "nesterov", .doc = "`sgd` only: Nesterov's momentum. Needs momentum above 0."}, nesterov);
  visitor.field({.name = "betas",
                 .doc = "`adamw` only: decay of the mean and of the square of the gradients. Two numbers.",
                 .min = 0,
                 .max = 1,
                 .max_is_excluded = true,
                 .synonyms = "beta adam_betas"},
                betas);
  visitor.field({.name = "eps", .doc = "`adamw` only: added to the denominator.", .min = 0, .synonyms = "epsilon"}, eps);
  visitor.field({.name = "weight_decay",
                 .doc = "Decay of the weights: added to the gradient for `sgd`, apart from it for `adamw`.",
                 .min = 0,
                 .synonyms = "decay wd"},
                weight_decay);
  visitor.field(
      {.name = "decay_bias_and_norm", .doc = "Decays parameters of one dimension (biases, normalisation) too. false: they are left alone."},
      decay_bias_and_norm);
  visitor.field({.name = "parameters",
                 .doc = "Prefixes of the names of the parameters that it updates. Empty: all that no other optimizer has; at most "
                        "one optimizer may leave it empty.",
                 .synonyms = "params"},
                parameters);
  visitor.field({.name = "schedule",
                 .doc = "A name under `schedules`. Empty: the learning rate stays as it is.",
                 .synonyms = "scheduler lr_schedule lr_scheduler"},
                schedule);
}

void TrainerOptions::describe(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, Determinism> kModes[] = {{"fast", Determinism::fast}, {"run", Determinism::run}};
  visitor.field({.name = "max_steps",
                 .doc = "The run ends after this many updates. With `max_epochs` too: whichever comes first. One of the two is needed.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "steps total_steps max_updates num_steps"},
                max_steps);
  visitor.field({.name = "max_epochs",
                 .doc = "The run ends after this many passes over the data; fractions are allowed.",
                 .unit = "epochs",
                 .min = 0,
                 .min_is_excluded = true,
                 .synonyms = "epochs num_epochs num_train_epochs"},
                max_epochs);
  visitor.field({.name = "accumulate_batches",
                 .doc = "Batches whose gradients make one update. A group cut short by the end of an epoch makes one too.",
                 .unit = "batches",
                 .min = 1,
                 .synonyms = "gradient_accumulation_steps accumulate_grad_batches accumulation accumulate"},
                accumulate_batches);
  visitor.field({.name = "clip_norm",
                 .doc = "Gradients whose 2-norm over all parameters is above this are scaled down to it. null: not clipped.",
                 .min = 0,
                 .min_is_excluded = true,
                 .synonyms = "clip grad_clip max_grad_norm gradient_clip_val"},
                clip_norm);
  visitor.field({.name = "frozen", .doc = "Prefixes of the names of parameters that are not trained.", .synonyms = "freeze"}, frozen);
  static constexpr std::pair<std::string_view, Recomputation> kRecomputations[] = {{"none", Recomputation::none},
                                                                                   {"stages", Recomputation::stages}};
  visitor.choice(
      {.name = "recompute",
       .doc = "`stages`: the backward pass computes each stage of the task once more, instead of keeping what it has computed; less "
              "memory, more time, the same bits. For tasks in stages, as `gpt` is ([precision.md](precision.md#re-computation)).",
       .synonyms = "gradient_checkpointing activation_checkpointing checkpoint_activations"},
      recompute, kRecomputations);
  visitor.field({.name = "log_every_steps",
                 .doc = "How often metrics are written and printed.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "log_every logging_steps log_interval log_every_n_steps"},
                log_every_steps);
  visitor.field({.name = "threads_per_rank",
                 .doc = "Threads that one rank computes with; the same on every rank, as the bits depend on it. null: usable cores "
                        "of the host, divided by its ranks.",
                 .unit = "threads",
                 .min = 1,
                 .max = 1024,
                 .synonyms = "threads num_threads"},
                threads_per_rank);
  visitor.choice({.name = "determinism",
                  .doc = "`run`: the same bits for every run on the same number of ranks. `fast`: kernels may be chosen for speed "
                         "alone.",
                  .synonyms = "deterministic"},
                 determinism, kModes);
  describe_bad_numbers(visitor);
  visitor.field(
      {.name = "max_time",
       .doc = "How long one start may train, its restarts included: `3h30m`, `DD:HH:MM:SS`, or seconds. Then it saves and ends with "
              "exit code 75, and the next start goes on. Empty: no limit. What ends a run as finished, over all its starts, is the "
              "callback `time_limit`.",
       .synonyms = "time_limit max_duration max_run_time"},
      max_time);
  visitor.field(
      {.name = "stop_margin_seconds",
       .doc = "In a Slurm job the run saves and ends this long before the job does, or half of the time from its start if that is less; "
              "earlier, where an update and a save have been seen to need more.",
       .unit = "seconds",
       .min = 0,
       .max = 86400,
       .synonyms = "margin stop_margin"},
      stop_margin_seconds);
}

void TrainerOptions::describe_bad_numbers(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, BadNumbers> kActions[] = {
      {"stop", BadNumbers::stop}, {"skip", BadNumbers::skip}, {"rollback", BadNumbers::rollback}};
  visitor.choice(
      {.name = "on_nonfinite",
       .doc = "What becomes of an update whose loss or gradient is not finite; it is made in no case. `stop`: the run ends. `skip`: "
              "it goes on with the next batch. `rollback`: it goes back to its newest checkpoint, and leaves the batches of that "
              "update out.",
       .synonyms = "detect_anomaly terminate_on_nan skip_nan nan_policy"},
      on_nonfinite, kActions);
  loss_spike.describe(visitor);
  visitor.field({.name = "max_skipped",
                 .doc = "So many updates in a row may come to nothing by `skip`; one more ends the run.",
                 .unit = "updates",
                 .min = 0,
                 .synonyms = "max_consecutive_skipped"},
                max_skipped);
  visitor.field({.name = "max_rollbacks", .doc = "So many times the run may go back by `rollback`; once more ends it.", .min = 0},
                max_rollbacks);
}

void LossSpikeOptions::describe(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, BadNumbers> kActions[] = {
      {"warn", BadNumbers::warn}, {"skip", BadNumbers::skip}, {"rollback", BadNumbers::rollback}, {"stop", BadNumbers::stop}};
  visitor.field(
      {.name = "loss_spike_factor",
       .doc = "A loss is a spike that lies this many deviations above the median of the updates before it. A deviation is 1.4826 times "
              "the median distance from that median (for normal numbers the standard deviation), at least a hundredth of the median. "
              "null: losses are not looked at.",
       .unit = "deviations",
       .min = 0,
       .min_is_excluded = true,
       .synonyms = "loss_spike spike_factor"},
      factor);
  visitor.field({.name = "loss_spike_window",
                 .doc = "Of so many updates that median and deviation are taken; before there are as many, no loss is a spike.",
                 .unit = "updates",
                 .min = 4,
                 .max = 10000,
                 .synonyms = "spike_window"},
                window);
  visitor.choice(
      {.name = "on_loss_spike",
       .doc = "What becomes of an update whose loss is a spike. `warn`: it is made. The others as for `on_nonfinite`: it is not.",
       .synonyms = "on_spike spike_action"},
      action, kActions);
}

void ValidationOptions::describe(FieldVisitor& visitor) {
  visitor.field(
      {.name = "every_steps",
       .doc = "Validates each time the count of updates crosses a multiple of this. Below 1: a fraction of all updates of the run, "
              "rounded up. null or 0: never so.",
       .unit = "updates",
       .min = 0,
       .synonyms = "steps eval_steps val_every"},
      every_steps);
  visitor.field({.name = "every_epochs",
                 .doc = "Validates each time the count of finished epochs crosses a multiple of this. null: never so.",
                 .unit = "epochs",
                 .min = 1,
                 .synonyms = "epochs eval_epochs"},
                every_epochs);
  visitor.field({.name = "at_end", .doc = "Validates after the last update."}, at_end);
  visitor.field({.name = "batch_size",
                 .doc = "Samples of one batch over all ranks together. null: that of training.",
                 .unit = "samples",
                 .min = 1,
                 .synonyms = "global_batch_size eval_batch_size"},
                batch_size);
  visitor.field({.name = "max_batches",
                 .doc = "Validates on this many batches only. null: on all.",
                 .unit = "batches",
                 .min = 1,
                 .synonyms = "limit_val_batches batches"},
                max_batches);
  visitor.field({.name = "weights",
                 .doc = "The name of a transform of type `ema`: its average is measured, and `val_loss` and the like are those of the "
                        "average. Empty: the model's own weights.",
                 .synonyms = "use_ema of"},
                weights);
}

}  // namespace holdfast
