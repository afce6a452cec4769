// The training loop. One object per rank and attempt; run() is collective and blocks until the run is finished or stopped.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/heartbeat.h"
#include "checkpoint/engine/checkpointer.h"
#include "checkpoint/format/layout.h"
#include "options/run_options.h"
#include "options/steps.h"
#include "trainer/bad_numbers/left_out.h"
#include "trainer/batch_loader.h"
#include "trainer/boundary_copy.h"
#include "trainer/callback_list.h"
#include "trainer/metrics/run_metrics.h"
#include "trainer/optimization/optimization.h"
#include "trainer/progress.h"
#include "trainer/state/run_state.h"
#include "trainer/stopping/poll_interval.h"
#include "trainer/stopping/stop_sources.h"
#include "trainer/training_step.h"
#include "trainer/weights/weight_copies.h"

namespace holdfast {

enum class RunEnd { finished, was_finished, stopped };

class Trainer {
 public:
  struct Parts {
    Communicator& ranks;
    FileSystem& files;
    const Clock& clock;
    SectionTracker& sections;
    Heartbeat* heartbeat;  // may be null
    Task& task;
    BatchLoader& training;
    BatchLoader* validation;  // may be null: no validation
    WeightCopies& copies;
    CallbackList& callbacks;
    const std::vector<Metric>& metrics;  // of the task
  };
  struct Settings {
    RunLayout layout;
    int attempt = 1;
    int first_attempt = 1;  // of the same supervised run: a later one goes on from what these attempts have saved
    std::int64_t threads_per_rank = 1;
    Progress::Style progress = Progress::Style::lines;
    std::vector<Deadline> deadlines = {};              // rank 0
    nlohmann::json device = nlohmann::json::object();  // what the bits depend on of it
  };
  Trainer(const Parts& parts, Configuration configuration, nlohmann::json resolved_options, Settings settings);

  /// Collective. stopped: a checkpoint of the last update is durable, if an entry has on_signal. Throws what a rank cannot go on after.
  RunEnd run();
  /// For injected faults: spoils the backward pass that this rank is in.
  void spoil(FaultKind kind) { training_step_.spoil(kind); }

 private:
  RunEnd train();
  /// A stop was agreed on, and what is to be saved is durable.
  RunEnd stop();
  /// Throws ConfigError for what a task that steps its optimizers itself cannot do.
  void check_manual_task() const;
  bool wants_stop() { return stop_sources_.reason(needed_seconds()).has_value(); }
  /// What has to be time for between a stop that is asked for and the end of the run.
  double needed_seconds() const { return longest_step_seconds_ + 2 * longest_save_seconds_ + validation_polls_.seconds(); }
  RunView view() const;
  /// Collective: the times of all ranks as a table.
  void report_profile();
  /// What the bits depend on beside configuration and seed, as provenance.h has it.
  nlohmann::json environment() const;
  /// Collective: what callbacks are told of a completed update.
  void tell_callbacks(const Vote& facts, const StepStart& before);
  void begin_epoch();
  void end_epoch();
  void end_callbacks();
  /// Collective: asks the callbacks whether the run ends here.
  void ask_for_end();
  bool is_over() const { return state_.global_step >= run_.last_step || is_out_of_data() || !end_reason_.empty(); }
  /// A task that steps its optimizers itself may make fewer updates than there are batches, and so may a run that leaves some out, or
  /// whose gradients have overflowed; all others end by their last step.
  bool is_out_of_data() const {
    const bool has_skipped = state_.gradient_scale && state_.gradient_scale->skipped_updates > 0;
    return (parts_.task.is_manual() || has_skipped || left_out_.has_before(state_.samples_seen)) && state_.samples_seen >= run_.last_sample;
  }
  void begin();
  void go_on_from(const Restored& restored);
  /// Collective: the weights of rank 0 or of init_from, averages of them, generators by the seed.
  void start_from_scratch();
  /// Collective. Throws ConfigError where there is nothing, or what is about to be moved away.
  void check_init_from(const Path& path);
  /// Collective: one update. Before what all ranks know to have failed is thrown on, saves the state before it where that is asked for.
  Vote step();
  void save_before_failure(const RunState& before);
  StepEvent count_step(const StepStart& before) const;
  /// The batches since `before` were trained on: neither dropped by a stop, nor left out, nor those of an update that was skipped.
  bool has_trained(const StepStart& before) const {
    return state_.samples_seen > before.samples_seen && !left_out_.at(before.samples_seen) &&
           (parts_.task.is_manual() || state_.global_step > before.global_step);
  }
  /// Rank 0. `options_before`: those that the restored state of this run was made with; null: the run begins.
  void begin_metrics(const nlohmann::json& options_before);
  void report_step(const Vote& facts, const StepStart& before);
  void write_metrics_line();
  void print_texts(const nlohmann::json& texts);
  /// At the end of a pass over the data: of those that the task has not stepped in it.
  void warn_of_idle_optimizers();
  /// Rank 0: of every trained parameter.
  void write_histograms();
  /// False: a stop was agreed on meanwhile; the validation is owed.
  bool validate();
  /// Learning rates fall where the validation says so.
  void adjust_plateaus(const std::map<std::string, double>& metrics);
  Boundary boundary(const StepEvent& event, const std::optional<Vote>& facts) const;
  /// Saves if an entry of `checkpoints` wants the state. `must_succeed`: waits until it is durable, and throws StorageError if it is not.
  void save_if_due(const Boundary& boundary, bool is_time_up, bool must_succeed);
  /// A save has ended, well or not: throws StorageError where the policy says that the run ends.
  void report_save(const std::optional<SaveResult>& result, bool must_succeed = false);
  /// Rank 0: a line of saves.jsonl.
  void record_save(const SaveResult& result) const;
  /// Collective: the weights of the best state, where an entry has load_best_at_end, and which those are; null: the model is as it was.
  nlohmann::json load_best();
  /// Of the weights that the run ends with; nullopt: they were not measured. Collective where those are other ones than the last
  /// validation's.
  std::optional<ValidationRecord> final_validation(bool has_other_weights);
  void finish();
  Snapshot snapshot() const;
  std::int64_t epochs_in(std::int64_t samples) const { return samples / parts_.training.epoch_samples(); }
  bool is_rank_0() const { return parts_.ranks.rank() == 0; }

  Parts parts_;
  Configuration configuration_;
  nlohmann::json options_;
  Settings settings_;
  RunShape run_;
  Optimization optimization_;
  TrainingStep training_step_;
  Checkpointer checkpointer_;
  RunState state_;
  BoundaryCopy before_group_;  // of what the batches of an update change before it is made
  StepProfile profile_;
  LeftOut left_out_;
  StopSources stop_sources_;
  PollInterval validation_polls_;
  double longest_step_seconds_ = 0, longest_save_seconds_ = 0;  // of this attempt
  std::int64_t measured_batch_ = -1;                            // batch_index at the newest validation of this attempt
  bool saves_on_exception_ = false;
  std::int64_t failed_saves_ = 0;                             // in a row
  std::map<std::string, std::int64_t> updates_before_epoch_;  // by optimizer; empty: the attempt began in the middle of this epoch
  std::set<std::string> idle_optimizers_;                     // of which rank 0 has warned
  std::string end_reason_;                                    // why the run ends before its last step; empty: it does not
  std::unique_ptr<RunMetrics> metrics_;                       // rank 0
  std::unique_ptr<Progress> progress_;
};

}  // namespace holdfast
