// The description of `checkpoints` and `saving`: defaults are the members' initial values, everything else
// is here.
#include "options/run_options.h"

namespace holdfast {

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
  visitor.field({.name = "only_best",
                 .doc = "Of the states that are asked for, saves only one whose `monitor` is better than that of all that the entry keeps.",
                 .synonyms = "on_best best"},
                only_best);
  visitor.field(
      {.name = "monitor",
       .doc = "The metric by which states are ranked: `val_loss`, `val_` with the name of another that the task measures, `train_loss`, or "
              "`step`, `epoch`. It counts for the state at which it was measured only: with `top_k` or `only_best`, a save that is due "
              "elsewhere waits for the next measurement. Empty: none.",
       .synonyms = "metric metric_for_best_model"},
      monitor);
  visitor.choice({.name = "mode", .doc = "Whether a smaller or a larger `monitor` is better.", .synonyms = "greater_is_better"}, mode,
                 kModeNames);
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

}  // namespace holdfast
