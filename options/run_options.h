// Everything that a configuration file says, one struct a top-level key. Torch-free. Each default, unit and range is in
// the struct's `describe`, in the file of its group (…_options.cpp); docs/configuration.md is generated from there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "options/field.h"
#include "options/tree.h"

namespace holdfast {

/// What ranks compute on. automatic: on GPUs where there are some.
enum class DeviceChoice { automatic, cpu, cuda };
inline constexpr std::pair<std::string_view, DeviceChoice> kDeviceNames[] = {
    {"auto", DeviceChoice::automatic}, {"cpu", DeviceChoice::cpu}, {"cuda", DeviceChoice::cuda}};

/// `run:` which run this is.
struct RunOptions {
  std::string name;       // empty: the name of the configuration file without its ending
  std::string directory;  // empty: runs/NAME. `--run-dir` overrides
  std::int64_t seed = 1;  // of initialisation, sample order and dropout
  DeviceChoice device = DeviceChoice::automatic;
  void describe(FieldVisitor&);
};

/// `task:` and the like: a built-in name or a plugin, and options that its own struct checks.
struct ComponentOptions {
  std::string name;    // built-in or registered by the plugin
  std::string plugin;  // a shared library, relative to the configuration file; empty: built-in
  OptionTree options;
  void describe(FieldVisitor&);
};

/// `data:`
struct DataOptions {
  std::string name;                      // a registered source: idx | text | random
  OptionTree options;                    // the source's own
  std::int64_t global_batch_size = 128;  // samples of one batch over all ranks
  bool shuffle = true;
  bool drop_last = false;             // leave the short last batch of an epoch out
  std::int64_t prefetch_batches = 2;  // assembled ahead by a thread; 0: none
  void describe(FieldVisitor&);
};

enum class OptimizerKind { sgd, adamw };

/// `optimizers: {NAME: ...}`
struct OptimizerOptions {
  OptimizerKind type = OptimizerKind::adamw;
  double lr = 1e-3;
  double momentum = 0.0;                     // sgd
  bool nesterov = false;                     // sgd
  std::vector<double> betas = {0.9, 0.999};  // adamw
  double eps = 1e-8;                         // adamw
  double weight_decay = 0.01;
  bool decay_bias_and_norm = false;     // false: parameters of one dimension are not decayed
  std::vector<std::string> parameters;  // prefixes of parameter names that it owns; empty: all that are left
  std::string schedule;                 // a name under `schedules`; empty: constant
  void describe(FieldVisitor&);
};

/// Which way a metric is better.
enum class Mode { min, max };
inline constexpr std::pair<std::string_view, Mode> kModeNames[] = {{"min", Mode::min}, {"max", Mode::max}};
constexpr std::string_view name_of(Mode mode) { return kModeNames[static_cast<std::size_t>(mode)].first; }

enum class ScheduleKind { constant, linear, cosine, plateau, sequence };

/// `schedules: {NAME: ...}`: a factor on lr as a function of the optimizer's completed updates, and of validations (plateau).
struct ScheduleOptions {
  ScheduleKind type = ScheduleKind::constant;
  std::int64_t warmup_steps = 0;            // all but sequence
  std::optional<std::int64_t> total_steps;  // linear, cosine: where the decay ends; none: the end of the run
  double final_factor = 0.0;                // linear, cosine: of lr at total_steps
  std::string monitor = "val_loss";         // plateau, as all that follow but the last two
  Mode mode = Mode::min;
  double factor = 0.1;
  std::int64_t patience = 10;  // validations
  double threshold = 1e-4;
  bool is_relative = true;  // the threshold is a share of the best
  std::int64_t cooldown = 0;
  double min_factor = 0;
  std::vector<std::string> parts;        // sequence: names of other schedules
  std::vector<std::int64_t> milestones;  // sequence: where each part but the first begins
  void describe(FieldVisitor&);

 private:
  void describe_fall(FieldVisitor&);
  void describe_plateau(FieldVisitor&);
};

/// What numbers are computed with, or sent.
enum class NumberFormat { float32, bf16, fp16 };
inline constexpr std::pair<std::string_view, NumberFormat> kNumberFormatNames[] = {
    {"float32", NumberFormat::float32}, {"bf16", NumberFormat::bf16}, {"fp16", NumberFormat::fp16}};
inline constexpr std::string_view kNumberFormatSynonyms =  // for Field::choice_synonyms
    "float=float32 fp32=float32 float16=fp16 half=fp16 f16=fp16 bfloat16=bf16 bfloat=bf16";
constexpr std::string_view name_of(NumberFormat format) { return kNumberFormatNames[static_cast<std::size_t>(format)].first; }

/// `precision:` of the forward and backward pass. Parameters, gradients and optimizer state are float32 in any case.
struct PrecisionOptions {
  NumberFormat compute = NumberFormat::float32;
  bool gradient_scaler = true;  // this and what follows: fp16
  double init_scale = 65536;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  std::int64_t growth_interval = 2000;  // updates
  double min_scale = 1;
  bool scales_gradients() const { return compute == NumberFormat::fp16 && gradient_scaler; }
  void describe(FieldVisitor&);
};

enum class Recomputation { none, stages };

enum class Determinism { fast, run };

/// What becomes of an update whose numbers are bad.
enum class BadNumbers { warn, skip, rollback, stop };

/// `trainer.loss_spike:`
struct LossSpikeOptions {
  std::optional<double> factor;  // deviations above the median; none: losses are not looked at
  std::int64_t window = 100;     // updates that median and deviation are of
  BadNumbers action = BadNumbers::warn;
  void describe(FieldVisitor&);
};

/// `trainer:`
struct TrainerOptions {
  std::optional<std::int64_t> max_steps;  // updates
  std::optional<double> max_epochs;       // fractions allowed; at least one of the two is needed
  std::int64_t accumulate_batches = 1;    // batches of one update
  std::optional<double> clip_norm;        // global 2-norm of the averaged gradient
  std::vector<std::string> frozen;        // prefixes of parameter names that are not trained
  Recomputation recompute = Recomputation::none;
  std::int64_t log_every_steps = 50;
  std::optional<std::int64_t> threads_per_rank;  // none: usable cores / ranks on this host
  Determinism determinism = Determinism::run;
  BadNumbers on_nonfinite = BadNumbers::stop;
  LossSpikeOptions loss_spike;
  std::int64_t max_skipped = 10;    // updates in a row; one more ends the run
  std::int64_t max_rollbacks = 10;  // of the whole run; one more ends it
  std::string max_time;             // of one start; empty: no limit
  double stop_margin_seconds = 60;  // before the end of a Slurm job, at least
  void describe(FieldVisitor&);

 private:
  void describe_bad_numbers(FieldVisitor&);
};

/// `validation:`
struct ValidationOptions {
  std::optional<double> every_steps;  // updates; below 1: that fraction of the run, rounded up
  std::optional<std::int64_t> every_epochs;
  bool at_end = true;
  std::optional<std::int64_t> batch_size;   // global; none: that of training
  std::optional<std::int64_t> max_batches;  // none: all
  std::string weights;                      // a transform of type ema that is measured; empty: the model
  void describe(FieldVisitor&);
};

enum class HalfType { bf16, fp16 };
/// The transform that is state of the training, and no function of the weights at one moment.
inline constexpr const char* kAverageType = "ema";
/// The functions of weights that are built in.
inline constexpr const char *kHalfType = "half", *kScaleType = "scale";
inline constexpr const char* kBuiltInTransforms[] = {kAverageType, kHalfType, kScaleType};

/// `transforms: {NAME: ...}`: a copy of the weights, made when a state is saved.
struct TransformOptions {
  std::string type;                     // ema | half | scale | one that a plugin registers
  std::string of;                       // the transform of type ema whose weights it takes; empty: those of the model
  double decay = 0.999;                 // ema
  std::int64_t every_steps = 1;         // ema: updates
  std::int64_t start_step = 1;          // ema: up to this update the average is the weights
  bool buffers = true;                  // ema: averages buffers of the model too
  HalfType precision = HalfType::bf16;  // half
  double factor = 1;                    // scale
  std::string plugin;                   // of a type that it registers; relative to the configuration file
  OptionTree options;                   // that type's own
  void describe(FieldVisitor&);

 private:
  void describe_average(FieldVisitor&);
};

/// One entry of `checkpoints:`: when it asks for a save, what it calls it, what it keeps.
struct CheckpointOptions {
  std::string name = "default";
  std::optional<double> every_steps;  // updates; below 1: that fraction of the run, rounded up
  std::optional<std::int64_t> every_epochs;
  std::optional<double> every_minutes;  // 0: after each update
  bool after_validation = false;
  bool at_end = true;
  bool on_exception = false;
  bool on_signal = true;
  bool only_best = false;  // of what it asks for, only what is better than all that it has saved
  std::string monitor;     // the metric that ranks its states; empty: none
  Mode mode = Mode::min;
  std::optional<std::int64_t> top_k;  // best states kept; -1: all, 0: none
  std::optional<std::int64_t> limit;  // newest states kept, the best among them; 0 or -1: all
  bool save_last = false;
  std::string filename = "{epoch}-{step}";
  std::string last_filename = "last";
  std::string exception_filename = "exception-{epoch}-{step}";
  std::string signal_filename = "signal-{epoch}-{step}";
  bool auto_insert_metric_name = true;
  bool weights_only = false;            // saves the model's tensors alone, in a directory of their own
  std::vector<std::string> transforms;  // names under `transforms`: copies that are stored with what it saves
  bool load_best_at_end = false;        // the run ends with the weights of its best state
  std::string measured_weights;         // the average that `monitor` is measured of; empty: the model. Not a field: note_measured_weights
  void describe(FieldVisitor&);

 private:
  void describe_triggers(FieldVisitor&);
  void describe_choice(FieldVisitor&);
  void describe_names(FieldVisitor&);
  void describe_contents(FieldVisitor&);
};

/// `logging:` in which forms, beside metrics.jsonl, what the run measures is written.
struct LoggingOptions {
  bool tensorboard = true;
  bool csv = false;
  std::optional<std::int64_t> histograms_every_steps;  // of the parameters, for TensorBoard; none: never
  void describe(FieldVisitor&);
};

/// `profile:` where the time of a few steps goes.
struct ProfileOptions {
  std::int64_t steps = 0;        // how many; 0: none
  std::int64_t after_steps = 5;  // of each start; these come first
  void describe(FieldVisitor&);
};

/// `callbacks: {NAME: ...}`: what looks at the run while it trains, and may end it. Called in the order of the names.
struct CallbackOptions {
  std::string type;    // early_stopping | gradient_norm | time_limit | one that a plugin registers
  std::string plugin;  // of a type that it registers; relative to the configuration file
  OptionTree options;  // the type's own
  void describe(FieldVisitor&);
};

enum class FailedSaves { go_on, stop };
enum class Corruption { restart, stop };

/// `saving:` how states are saved, whichever entry asked for it.
struct SavingOptions {
  bool asynchronous = true;  // written while training goes on
  FailedSaves on_failure = FailedSaves::go_on;
  std::int64_t max_failures = 3;  // in a row; then on_failure applies
  Corruption on_corruption = Corruption::restart;
  void describe(FieldVisitor&);
};

/// `parallel:`
struct ParallelOptions {
  double bucket_mib = 8;  // small gradients are packed into buckets of about this size
  bool overlap = true;    // buckets are reduced while the backward pass computes the next ones
  bool shared_memory = true;
  bool bind_to_cores = false;
  NumberFormat gradient_dtype = NumberFormat::float32;
  void describe(FieldVisitor&);
};

/// `cuda:` how ranks compute on GPUs; of no effect on a CPU.
struct CudaOptions {
  bool tf32 = false;                    // float32 products with 10 bits of mantissa
  bool reduced_precision_sums = false;  // of half-precision products
  double collective_seconds = 120;      // an operation between GPUs that has begun and takes longer is given up
  bool share_devices = false;           // several ranks on one GPU
  void describe(FieldVisitor&);
};

/// Of `restart:`, when a rank that shows no sign of life is taken for dead.
struct HangOptions {
  bool detect = true;
  double factor = 6;         // of the longest time that was seen
  double step_seconds = 5;   // in the forward and backward pass, the reduction and the update
  double data_seconds = 30;  // waiting for a batch
  double validation_seconds = 60;
  double checkpoint_seconds = 120;  // saving
  double setup_seconds = 300;       // from the launch to the second update of an attempt, restoring apart; the end of the run
  double restore_seconds = 600;
  void describe(FieldVisitor&);
};

/// `restart:` what the supervisor does after a failure.
struct RestartOptions {
  std::int64_t max_attempts_without_progress = 3;  // or ended by the same failure at the same step
  std::optional<std::int64_t> max_restarts;        // none: no limit while there is progress
  double backoff_seconds = 0;                      // before the second attempt in a row without progress; doubles each time
  double lease_seconds = 5;                        // a shim that hears nothing for this long ends its rank
  double stop_grace_seconds = 120;                 // how long a stop request may take before the ranks are killed
  std::optional<double> straggler_factor = 1.4;    // a rank that takes so many times what the others take is named; none: no rank is
  HangOptions hang;
  std::optional<std::int64_t> min_ranks;  // the fewest to go on with when hosts are lost; none: as many as were asked for
  double probation_seconds = 300;         // how long a host that was lost is left out, where others suffice
  bool standby = false;                   // the processes of the next attempt are started ahead
  void describe(FieldVisitor&);
};

/// `hooks:` commands that the supervisor runs when something happens; none of them has any effect on the run. A command is a program
/// and its arguments; a single text is a line for the shell.
struct HooksOptions {
  std::vector<std::string> on_start, on_failure, on_restart, on_end;
  double timeout_seconds = 30;
  void describe(FieldVisitor&);
};

struct Configuration {
  RunOptions run;
  ComponentOptions task;
  DataOptions data;
  std::map<std::string, OptimizerOptions> optimizers;
  std::map<std::string, ScheduleOptions> schedules;
  TrainerOptions trainer;
  PrecisionOptions precision;
  ValidationOptions validation;
  std::map<std::string, TransformOptions> transforms;
  std::vector<CheckpointOptions> checkpoints;
  SavingOptions saving;
  std::map<std::string, CallbackOptions> callbacks;
  LoggingOptions logging;
  ProfileOptions profile;
  std::string resume = "auto";           // auto | none | a checkpoint directory
  std::optional<std::string> init_from;  // a checkpoint or run directory: its weights, step 0
  ParallelOptions parallel;
  CudaOptions cuda;
  RestartOptions restart;
  HooksOptions hooks;

  std::string file;  // where it came from; plugin paths are relative to its directory. Not a field.
  OptionTree tree;   // as it was read, for the places of keys in messages. Not a field.

  void describe(FieldVisitor&);
};

/// Reads, checks every field, then what concerns several fields (no end, a schedule that does not exist, two entries of
/// one name, every prefix list). Throws ConfigError. `run.name` and `run.directory` are filled in.
Configuration load_configuration(const std::string& path, const std::vector<std::string>& overrides = {});
/// Likewise, from a configuration that has been read; `file`: where relative paths start.
Configuration configuration_from(const OptionTree& tree, const std::string& file);
/// What several keys of an entry of `checkpoints:` say together, and that its names are names of files. Throws ConfigError with the place
/// in `tree`, which holds the list as `checkpoints`. Part of load_configuration.
void require_consistent(const std::vector<CheckpointOptions>& checkpoints, const OptionTree& tree);
/// That entries rank by, and make their names of, nothing but `metrics`, the epoch and the step. Throws ConfigError likewise. What a
/// validation measures is known to the task, and so this is no part of load_configuration unless there is none.
void require_measured(const std::vector<CheckpointOptions>& checkpoints, const OptionTree& tree, const std::vector<std::string>& metrics);
/// Likewise for what schedules of type plateau go by.
void require_measured(const std::map<std::string, ScheduleOptions>& schedules, const OptionTree& tree,
                      const std::vector<std::string>& metrics);
/// What the keys of `transforms` say together, and that whoever names one finds it. Throws ConfigError. Part of load_configuration.
void require_consistent_transforms(const Configuration& configuration, const OptionTree& tree);
/// What the keys of `schedules` say together, and that optimizers name one that is there. Throws ConfigError. Part of load_configuration.
void require_consistent_schedules(const Configuration& configuration, const OptionTree& tree);
/// That keys of the gradient scaler are given where there is one, and that its scales can be. Throws ConfigError. Part of
/// load_configuration.
void require_consistent(const PrecisionOptions& precision, const OptionTree& tree);
/// Whether a run validates at all.
bool is_ever_due(const ValidationOptions& validation);
/// Of which weights each entry's `monitor` is measured. Part of load_configuration.
void note_measured_weights(std::vector<CheckpointOptions>& checkpoints, const ValidationOptions& validation);
/// Every text and name in it is UTF-8: manifest and journal, which are JSON, hold no other. Throws ConfigError. Part of
/// load_configuration; to be repeated where a text is changed afterwards.
void require_utf8(const Configuration& configuration);

}  // namespace holdfast
