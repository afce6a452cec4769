// The description of every key of a configuration: defaults are the members' initial values, everything else is here.
#include "options/run_options.h"

namespace holdfast {

void RunOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "name", .doc = "What the run is called. Empty: the name of the configuration file without its ending."}, name);
  visitor.field({.name = "directory",
                 .doc = "Where checkpoints, logs and metrics go, relative to where the program was started. Empty: `runs/NAME`. "
                        "`--run-dir` on the command line overrides it.",
                 .synonyms = "dir run_dir output output_dir"},
                directory);
  visitor.field({.name = "seed",
                 .doc = "Seed of the initial weights, the sample order and dropout. Two runs of one configuration and one seed on "
                        "the same number of ranks end with the same bits.",
                 .min = 0,
                 .synonyms = "random_seed"},
                seed);
}

void ComponentOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "name", .doc = "A built-in one, or one that the plugin registers.", .synonyms = "type kind"}, name);
  visitor.field({.name = "plugin",
                 .doc = "A shared library that registers it, relative to the directory of the configuration file. Empty: built-in.",
                 .synonyms = "library"},
                plugin);
  visitor.subtree({.name = "options", .doc = "Its own options, which it checks itself.", .synonyms = "config params args"}, options);
}

void DataOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "name",
                 .doc = "The source of samples: `idx` (images in IDX files), `text` (bytes of a text file), `random`.",
                 .synonyms = "type kind source dataset"},
                name);
  visitor.subtree({.name = "options", .doc = "The source's own options, which it checks itself.", .synonyms = "config params args"},
                  options);
  visitor.field({.name = "global_batch_size",
                 .doc = "Samples of one batch over all ranks together. Batches hold the same samples at every number of ranks.",
                 .unit = "samples",
                 .min = 1,
                 .synonyms = "batch_size batch train_batch_size"},
                global_batch_size);
  visitor.field(
      {.name = "shuffle", .doc = "Gives each epoch a sample order of its own, made from the seed. false: the order of the data set."},
      shuffle);
  visitor.field({.name = "drop_last", .doc = "Leaves out the short batch at the end of an epoch."}, drop_last);
  visitor.field({.name = "prefetch_batches",
                 .doc = "How many batches a thread assembles ahead. 0: none, each is assembled when it is needed.",
                 .unit = "batches",
                 .min = 0,
                 .max = 1024,
                 .synonyms = "prefetch prefetch_factor"},
                prefetch_batches);
}

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

void ScheduleOptions::describe(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, ScheduleKind> kKinds[] = {
      {"constant", ScheduleKind::constant}, {"linear", ScheduleKind::linear}, {"cosine", ScheduleKind::cosine}};
  visitor.choice({.name = "type",
                  .doc = "How the factor falls from 1 to `final_factor` after the warm-up. `constant`: not at all.",
                  .synonyms = "name kind"},
                 type, kKinds);
  visitor.field({.name = "warmup_steps",
                 .doc = "Over these first updates the factor grows from 1/warmup_steps to 1.",
                 .unit = "updates",
                 .min = 0,
                 .synonyms = "warmup num_warmup_steps"},
                warmup_steps);
  visitor.field({.name = "total_steps",
                 .doc = "Where the fall ends; later updates keep `final_factor`. null: the end of the run.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "num_training_steps max_steps"},
                total_steps);
  visitor.field(
      {.name = "final_factor", .doc = "The factor at the end of the fall.", .min = 0, .max = 1, .synonyms = "min_factor min_lr_ratio"},
      final_factor);
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
  visitor.field(
      {.name = "weights",
       .doc = "The name of a transform of type `ema`: its average is measured, and `val_loss` and `val_accuracy` are those of the "
              "average. Empty: the model's own weights.",
       .synonyms = "use_ema of"},
      weights);
}

void CheckpointOptions::describe(FieldVisitor& visitor) {
  describe_triggers(visitor);
  describe_choice(visitor);
  describe_names(visitor);
  describe_contents(visitor);
}

void CheckpointOptions::describe_triggers(FieldVisitor& visitor) {
  visitor.field({.name = "name", .doc = "What the entry is called, and its directory below `checkpoints/`; no two may share a name."},
                name);
  visitor.field({.name = "every_steps",
                 .doc = "Saves each time the count of updates crosses a multiple of this. Below 1: a fraction of all updates of the run, "
                        "rounded up. null or 0: never so.",
                 .unit = "updates",
                 .min = 0,
                 .synonyms = "steps save_steps every interval every_n_train_steps"},
                every_steps);
  visitor.field({.name = "every_epochs",
                 .doc = "Saves each time the count of finished epochs crosses a multiple of this. null or 0: never so.",
                 .unit = "epochs",
                 .min = 0,
                 .synonyms = "epochs save_epochs every_n_epochs"},
                every_epochs);
  visitor.field({.name = "every_minutes",
                 .doc = "Saves at the first update after this long since the entry last asked for a save, by the clock of rank 0; time "
                        "between attempts does not count. 0: after each update. null: never so.",
                 .unit = "minutes",
                 .min = 0,
                 .max = 1e6,
                 .synonyms = "minutes train_time_interval"},
                every_minutes);
  visitor.field({.name = "after_validation", .doc = "Saves after each validation.", .synonyms = "on_validation"}, after_validation);
  visitor.field({.name = "at_end", .doc = "Saves after the last update, whatever `monitor` says of that state."}, at_end);
  visitor.field({.name = "on_exception",
                 .doc = "When a rank fails in a step, saves the state before that step, if all ranks have it. The newest one stays, beside "
                        "what `top_k` or `limit` keep.",
                 .synonyms = "save_on_exception"},
                on_exception);
  visitor.field({.name = "on_signal",
                 .doc = "When the run is asked to stop, saves before it ends. The newest one stays, beside what `top_k` or `limit` keep.",
                 .synonyms = "on_stop"},
                on_signal);
}

void CheckpointOptions::describe_choice(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, Mode> kDirections[] = {{"min", Mode::min}, {"max", Mode::max}};
  visitor.field({.name = "only_best",
                 .doc = "Of the states that are asked for, saves only one whose `monitor` is better than that of all that the entry keeps.",
                 .synonyms = "on_best best"},
                only_best);
  visitor.field(
      {.name = "monitor",
       .doc = "The metric by which states are ranked: `val_loss`, `val_accuracy`, `train_loss`, or `step`, `epoch`. It counts for the "
              "state at which it "
              "was measured only: with `top_k` or `only_best`, a save that is due elsewhere waits for the next measurement. Empty: "
              "none.",
       .synonyms = "metric metric_for_best_model"},
      monitor);
  visitor.choice({.name = "mode", .doc = "Whether a smaller or a larger `monitor` is better.", .synonyms = "greater_is_better"}, mode,
                 kDirections);
  visitor.field({.name = "top_k",
                 .doc = "How many states stay, the best by `monitor`; a worse one is not saved. -1: all are saved and stay. 0: none. "
                        "Without `monitor`: -1, 0 or 1, the newest. null: 1 with `monitor` and without `limit`.",
                 .unit = "states",
                 .min = -1,
                 .synonyms = "save_top_k"},
                top_k);
  visitor.field({.name = "limit",
                 .doc = "How many states stay, the newest ones; with `monitor`, the best is one of them (beside the newest one, if this is "
                        "1). 0 or -1: all. null: 2, if there is neither `top_k` nor `monitor`.",
                 .unit = "states",
                 .min = -1,
                 .synonyms = "keep keep_last save_total_limit max_to_keep"},
                limit);
}

void CheckpointOptions::describe_names(FieldVisitor& visitor) {
  visitor.field(
      {.name = "save_last",
       .doc = "Saves each state that is asked for, whatever `monitor` says of it, and the one at the end of the run; the newest one "
              "stays under `last_filename`."},
      save_last);
  visitor.field({.name = "filename",
                 .doc = "The name of a state: a link to it in the entry's directory. `{epoch}` (of the last batch, from 0), `{step}` and "
                        "metrics are replaced, with formats such as `{val_loss:.2f}`. A name that is taken gets `-v1`, `-v2`."},
                filename);
  visitor.field({.name = "last_filename", .doc = "The name of the newest state, with `save_last`."}, last_filename);
  visitor.field({.name = "exception_filename", .doc = "The name of what `on_exception` saves."}, exception_filename);
  visitor.field({.name = "signal_filename", .doc = "The name of what `on_signal` saves."}, signal_filename);
  visitor.field({.name = "auto_insert_metric_name", .doc = "`{epoch}` becomes `epoch=3` instead of `3`."}, auto_insert_metric_name);
}

void CheckpointOptions::describe_contents(FieldVisitor& visitor) {
  visitor.field(
      {.name = "weights_only",
       .doc = "Saves the model's parameters and buffers alone, as `weights-N`: for use elsewhere, and for `init_from`. No run can "
              "go on from it.",
       .synonyms = "save_weights_only save_only_model"},
      weights_only);
  visitor.field({.name = "transforms",
                 .doc = "Names under `transforms`: the copies of the weights that are stored together with each state that it saves.",
                 .synonyms = "transform copies"},
                transforms);
  visitor.field({.name = "load_best_at_end",
                 .doc = "After the last update the weights of the entry's best state by `monitor` are loaded and measured: they are what "
                        "`DONE.json` reports. Nothing is written or removed for it. One entry may ask for it.",
                 .synonyms = "load_best_model_at_end load_best"},
                load_best_at_end);
}

void SavingOptions::describe(FieldVisitor& visitor) {
  static constexpr std::pair<std::string_view, FailedSaves> kPolicies[] = {{"continue", FailedSaves::go_on}, {"stop", FailedSaves::stop}};
  visitor.field({.name = "asynchronous",
                 .doc = "A state is hashed and written while training goes on; only one at a time: a save that is due before the one "
                        "before has ended waits for it. false: training waits until each state is durable. The last one, and one "
                        "that a stop asks for, are always waited for.",
                 .synonyms = "async async_save"},
                asynchronous);
  visitor.choice({.name = "on_failure",
                  .doc = "What happens after `max_failures` saves in a row that failed (a full disk): `continue`: training goes on, each "
                         "due save tries again. `stop`: the ranks end with code 74 and what has failed.",
                  .synonyms = "policy"},
                 on_failure, kPolicies);
  visitor.field({.name = "max_failures", .doc = "How many saves in a row may fail before `on_failure` applies.", .unit = "saves", .min = 1},
                max_failures);
  static constexpr std::pair<std::string_view, Corruption> kAnswers[] = {{"restart", Corruption::restart}, {"stop", Corruption::stop}};
  visitor.choice({.name = "on_corruption",
                  .doc = "Each save compares what is replicated between ranks. What happens when their bits differ (a flipped bit in the "
                         "memory of one): `restart`: the ranks end with code 70, and the supervisor goes on from the newest good "
                         "checkpoint. `stop`: they end with code 65, after which nothing is restarted."},
                 on_corruption, kAnswers);
}

void ParallelOptions::describe(FieldVisitor& visitor) {
  visitor.field(
      {.name = "bucket_mib",
       .doc =
           "Gradients of less than 256 KiB are packed into buckets of about this size to be reduced over ranks; a larger one goes alone. "
           "Bits depend on it.",
       .unit = "MiB",
       .min = 0,
       .max = 4096,
       .min_is_excluded = true,
       .synonyms = "bucket_cap_mb bucket_mb bucket_size"},
      bucket_mib);
}

void RestartOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "max_attempts_without_progress",
                 .doc = "The supervisor gives up, with a diagnosis, after this many attempts in a row without a new durable checkpoint.",
                 .unit = "attempts",
                 .min = 1,
                 .synonyms = "max_attempts"},
                max_attempts_without_progress);
  visitor.field({.name = "max_restarts",
                 .doc = "The supervisor gives up after this many restarts. null: no limit while there is progress.",
                 .unit = "restarts",
                 .min = 0,
                 .synonyms = "restarts"},
                max_restarts);
  visitor.field({.name = "backoff_seconds",
                 .doc = "Wait before the second attempt in a row without progress; doubled for each further one.",
                 .unit = "seconds",
                 .min = 0,
                 .max = 86400,
                 .synonyms = "backoff delay"},
                backoff_seconds);
  visitor.field({.name = "lease_seconds",
                 .doc = "A rank whose watcher has not heard from the supervisor for this long is ended.",
                 .unit = "seconds",
                 .min = 0,
                 .max = 86400,
                 .min_is_excluded = true,
                 .synonyms = "lease timeout"},
                lease_seconds);
  visitor.field({.name = "stop_grace_seconds",
                 .doc = "How long ranks may take to save and end after a stop was asked for; then they are killed.",
                 .unit = "seconds",
                 .min = 0,
                 .max = 86400,
                 .synonyms = "grace stop_grace"},
                stop_grace_seconds);
}

void LoggingOptions::describe(FieldVisitor& visitor) {
  visitor.field(
      {.name = "tensorboard", .doc = "Event files for TensorBoard in `tensorboard/` of the run directory.", .synonyms = "tensor_board tb"},
      tensorboard);
  visitor.field({.name = "csv", .doc = "The numbers of `metrics.jsonl` as a table, `metrics.csv`."}, csv);
  visitor.field({.name = "histograms_every_steps",
                 .doc = "How often TensorBoard gets a histogram of each trained parameter. null: never.",
                 .unit = "updates",
                 .min = 1,
                 .synonyms = "histograms histogram_freq"},
                histograms_every_steps);
}

void Configuration::describe(FieldVisitor& visitor) {
  visitor.section({.name = "run", .doc = "Which run this is."}, run);
  visitor.section(
      {.name = "task", .doc = "The model and its loss: a built-in task (`mlp`, `cnn`, `gpt`) or a plugin's.", .synonyms = "model"}, task);
  visitor.section({.name = "data", .doc = "What it is trained on, and in which batches.", .synonyms = "dataset"}, data);
  visitor.map({.name = "optimizers", .doc = "Optimizers by name; at least one.", .synonyms = "optimizer optim"}, optimizers);
  visitor.map({.name = "schedules",
               .doc = "Learning-rate schedules by name: a factor on `lr` as a function of the optimizer's completed updates.",
               .synonyms = "scheduler schedulers lr_schedules"},
              schedules);
  visitor.section({.name = "trainer", .doc = "The loop.", .synonyms = "training train"}, trainer);
  visitor.section({.name = "validation", .doc = "When the task is measured on the validation data.", .synonyms = "eval evaluation val"},
                  validation);
  visitor.map({.name = "transforms",
               .doc = "Copies of the weights by name, made when a state is saved, and stored with it where an entry of `checkpoints` names "
                      "them ([weights.md](weights.md)).",
               .synonyms = "transform weight_transforms"},
              transforms);
  visitor.list({.name = "checkpoints",
                .doc = "When the state is saved, and how many states stay; a state stays while any entry keeps it. Not given: one "
                       "entry with every_epochs 1. `[]`: nothing is saved.",
                .synonyms = "checkpointing ckpt"},
               checkpoints);
  visitor.section({.name = "saving", .doc = "How states are saved, whichever entry of `checkpoints` asked for it."}, saving);
  visitor.section({.name = "logging",
                   .doc = "In which forms, beside `metrics.jsonl`, what the run measures is written.",
                   .synonyms = "logger loggers report_to"},
                  logging);
  visitor.field({.name = "resume",
                 .doc = "What the run goes on from: `auto` (the newest good checkpoint of the run directory, if there is one), `none` "
                        "(from the start), or the path of a checkpoint or of a run directory (its newest good one). A relative path starts "
                        "in the working directory."},
                resume);
  visitor.field({.name = "init_from",
                 .doc = "A checkpoint directory whose weights the run starts with, at step 0; relative to the working directory.",
                 .synonyms = "pretrained load_from"},
                init_from);
  visitor.section({.name = "parallel", .doc = "How ranks work together.", .synonyms = "distributed"}, parallel);
  visitor.section({.name = "restart", .doc = "What the supervisor does after a failure."}, restart);
}

}  // namespace holdfast
