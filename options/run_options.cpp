// The description of a whole configuration, and of all keys that have no file of their own: defaults are the members' initial values,
// everything else is here.
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
  visitor.choice(
      {.name = "device",
       .doc = "What ranks compute on ([gpus.md](gpus.md)). `auto`: on GPUs where the host has one and this build can use it, else "
              "on the CPU. `cuda`: on GPUs, or not at all.",
       .synonyms = "accelerator use_cuda gpu gpus",
       .choice_synonyms = "gpu=cuda nvidia=cuda"},
      device, kDeviceNames);
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
  visitor.field({.name = "overlap",
                 .doc = "Reduces a bucket while the backward pass computes the next ones. false: when it is over; needed by a task whose "
                        "backward pass writes a gradient more than once.",
                 .synonyms = "overlap_comm overlap_grad_reduce"},
                overlap);
  visitor.field({.name = "shared_memory",
                 .doc = "The ranks of a host reduce in memory that they share, and MPI between hosts, where every host can and has as many "
                        "ranks as the others. false: MPI alone. Bits depend on it where there are more than two ranks."},
                shared_memory);
  visitor.field(
      {.name = "bind_to_cores",
       .doc = "Gives each rank of a host cores of its own, next to one another, where there is one for each rank and the launcher has "
              "not bound them. Keeps ranks near their memory on hosts with several sockets; the threads that read data and write "
              "checkpoints then share the rank's cores.",
       .synonyms = "bind_to cpu_affinity"},
      bind_to_cores);
  visitor.choice(
      {.name = "gradient_dtype",
       .doc =
           "What gradients are rounded to where they are sent to other ranks: half the bytes with `bf16` and `fp16`. Ranks of one host add "
           "them up in float32, and round the sum.",
       .synonyms = "communication_data_type compress_gradients fp16_compress_hook bf16_compress_hook",
       .choice_synonyms = kNumberFormatSynonyms},
      gradient_dtype, kNumberFormatNames);
}

void RestartOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "max_attempts_without_progress",
                 .doc = "The supervisor gives up, with a diagnosis, after this many attempts in a row without a new durable checkpoint, "
                        "or ended by the same failure at the same step whatever was saved between them.",
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
  visitor.field({.name = "min_ranks",
                 .doc = "When a host is lost and no spare one is left, the run goes on with fewer ranks and the same global batch, but not "
                        "with fewer than this many: then it gives up with exit code 69. null: all that were asked for.",
                 .unit = "ranks",
                 .min = 1,
                 .synonyms = "minimum_ranks min_world_size"},
                min_ranks);
  visitor.field({.name = "probation_seconds",
                 .doc = "How long a host that was lost takes no part, unless the others do not suffice. After that it is a spare.",
                 .unit = "seconds",
                 .min = 0,
                 .max = 1e7,
                 .synonyms = "probation cooldown_seconds"},
                probation_seconds);
  visitor.field(
      {.name = "standby",
       .doc = "The processes of the next attempt are started ahead, and sleep until the one before is over: a restart then takes no "
              "start of programs. Costs the memory of a second set of ranks ([operations.md](operations.md#standby)).",
       .synonyms = "hot_spare warm_standby"},
      standby);
  visitor.field(
      {.name = "straggler_factor",
       .doc = "A rank that takes this many times as long for its own part of a step as the median of the others is named in the log. "
              "null: none is.",
       .min = 1,
       .max = 1000,
       .min_is_excluded = true,
       .synonyms = "straggler slow_rank"},
      straggler_factor);
  hang.describe(visitor);
}

void HangOptions::describe(FieldVisitor& visitor) {
  visitor.field({.name = "detect_hangs",
                 .doc = "A rank for which the others wait, and which shows no sign of life for longer than the deadline of its section, "
                        "hangs: its stacks are written down, all ranks are killed and started again.",
                 .synonyms = "watchdog"},
                detect);
  visitor.field({.name = "hang_factor",
                 .doc = "A deadline is this many times the longest silence that this supervisor has seen end in such a section, and no "
                        "less than the seconds below. It doubles with each attempt in a row that ends by a hang.",
                 .min = 1,
                 .max = 1000},
                factor);
  const auto deadline = [&visitor](const char* name, const char* doc, double& seconds) {
    visitor.field({.name = name, .doc = doc, .unit = "seconds", .min = 0, .max = 1e6, .min_is_excluded = true}, seconds);
  };
  deadline("hang_step_seconds", "Deadline of a hang in forward and backward pass, reduction, update, and what callbacks do there.",
           step_seconds);
  deadline("hang_data_seconds", "The same while it waits for a batch.", data_seconds);
  deadline("hang_validation_seconds", "The same in a batch of the validation, and what callbacks do there.", validation_seconds);
  deadline("hang_checkpoint_seconds", "The same while it saves.", checkpoint_seconds);
  deadline("hang_setup_seconds",
           "The same from the launch to the second update of an attempt, without what restoring takes; and the end of the run.",
           setup_seconds);
  deadline("hang_restore_seconds", "The same while it reads a checkpoint.", restore_seconds);
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

void ProfileOptions::describe(FieldVisitor& visitor) {
  visitor.field(
      {.name = "steps",
       .doc = "How many steps of each start are measured: a table of where their time goes on each rank, and a Chrome trace of each "
              "rank beside its log. 0: none. Measuring takes time itself.",
       .unit = "updates",
       .min = 0,
       .max = 1000},
      steps);
  visitor.field({.name = "after_steps",
                 .doc = "How many steps of that start come before them, so that what happens once is not measured.",
                 .unit = "updates",
                 .min = 0,
                 .synonyms = "skip warmup wait"},
                after_steps);
}

void Configuration::describe(FieldVisitor& visitor) {
  visitor.section({.name = "run", .doc = "Which run this is."}, run);
  visitor.section({.name = "task",
                   .doc = "The model and its loss: a built-in task (`mlp`, `cnn`, `gpt`, `torchscript`) or a plugin's.",
                   .synonyms = "model"},
                  task);
  visitor.section({.name = "data", .doc = "What it is trained on, and in which batches.", .synonyms = "dataset"}, data);
  visitor.map({.name = "optimizers", .doc = "Optimizers by name; at least one.", .synonyms = "optimizer optim"}, optimizers);
  visitor.map({.name = "schedules",
               .doc = "Learning-rate schedules by name: a factor on `lr` as a function of the optimizer's completed updates.",
               .synonyms = "scheduler schedulers lr_schedules"},
              schedules);
  visitor.section({.name = "trainer", .doc = "The loop.", .synonyms = "training train"}, trainer);
  visitor.section({.name = "precision",
                   .doc = "What the forward and the backward pass compute with ([precision.md](precision.md)).",
                   .synonyms = "amp mixed_precision autocast fp16 bf16"},
                  precision);
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
  visitor.map({.name = "callbacks",
               .doc = "What looks at the run while it trains, and may end it, by name; called in the order of the names "
                      "([callbacks.md](callbacks.md)).",
               .synonyms = "callback"},
              callbacks);
  visitor.section({.name = "logging",
                   .doc = "In which forms, beside `metrics.jsonl`, what the run measures is written.",
                   .synonyms = "logger loggers report_to"},
                  logging);
  visitor.section({.name = "profile",
                   .doc = "Measures where the time of a few steps goes ([operations.md](operations.md#where-the-time-of-a-step-goes)).",
                   .synonyms = "profiler"},
                  profile);
  visitor.field({.name = "resume",
                 .doc = "What the run goes on from: `auto` (the newest good checkpoint of the run directory, if there is one), `none` "
                        "(from the start), or the path of a checkpoint or of a run directory (its newest good one). A relative path starts "
                        "in the working directory."},
                resume);
  visitor.field({.name = "init_from",
                 .doc = "The path of a checkpoint, or of a run directory (its newest state), whose weights the run starts with, at step 0. "
                        "A relative path starts in the working directory.",
                 .synonyms = "pretrained load_from"},
                init_from);
  visitor.section({.name = "parallel", .doc = "How ranks work together.", .synonyms = "distributed"}, parallel);
  visitor.section({.name = "cuda", .doc = "How ranks compute on GPUs; of no effect on a CPU.", .synonyms = "nccl"}, cuda);
  visitor.section({.name = "restart", .doc = "What the supervisor does after a failure."}, restart);
  visitor.section(
      {.name = "hooks",
       .doc = "Commands that the supervisor runs when something happens (mail, chat, tickets); they get what happened as JSON on "
              "standard input, and have no effect on the run ([operations.md](operations.md#hooks)). A list is a program and its "
              "arguments; a text, or a list of one, is a line for `/bin/sh`. Empty: none.",
       .synonyms = "notify notifications on_event"},
      hooks);
}

}  // namespace holdfast
