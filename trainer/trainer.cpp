#include "trainer/trainer.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/policy/policy.h"
#include "trainer/state/model_state.h"
#include "trainer/state/provenance.h"
#include "trainer/state/rng.h"
#include "trainer/state/training_state.h"
#include "trainer/thrown.h"
#include "trainer/validation.h"

namespace holdfast {

using nlohmann::json;

namespace {

/// A run all of whose states go by a metric that no longer gets better saves nothing more, and a failure costs all since its best state.
void warn_of_saves_by_score(const std::vector<CheckpointOptions>& checkpoints) {
  const CheckpointOptions* by_score = nullptr;
  for (const CheckpointOptions& entry : checkpoints) {
    if (entry.weights_only) continue;
    if (!entry.only_best && !(must_be_measured(entry) && choice_of(entry).count > 0)) return;
    by_score = &entry;
  }
  if (by_score)
    log_warning(
        "checkpoints: every entry saves the best alone; where {} gets no better, a failure costs all since then. Add one that saves in any "
        "case: `{{name: recent, every_minutes: 10, limit: 1}}`",
        by_score->monitor);
}

}  // namespace

Trainer::Trainer(const Parts& parts, Configuration configuration, json resolved_options, Settings settings)
    : parts_(parts),
      configuration_(std::move(configuration)),
      options_(std::move(resolved_options)),
      settings_(std::move(settings)),
      run_(resolve_run(configuration_, parts_.training.epoch_samples())),
      optimization_(configuration_, named_parameters(parts_.task.model())),
      training_step_({.ranks = parts_.ranks,
                      .sections = parts_.sections,
                      .task = parts_.task,
                      .loader = parts_.training,
                      .optimization = optimization_,
                      .accumulate_batches = configuration_.trainer.accumulate_batches,
                      .overlaps = configuration_.parallel.overlap,
                      .checkpointer = &checkpointer_,
                      .copies = &parts_.copies,
                      .callbacks = &parts_.callbacks,
                      .view = [this] { return view(); },
                      .options = &configuration_.trainer,
                      .left_out = &left_out_,
                      .attempt = settings_.attempt,
                      .clock = &parts_.clock,
                      .wants_stop = [this] { return wants_stop(); },
                      .profile = &profile_,
                      .undo_until_group = [this] { before_group_.put_back(); }}),
      checkpointer_({parts_.ranks, parts_.files, parts_.clock, parts_.sections}, settings_.layout, configuration_.checkpoints,
                    settings_.attempt),
      before_group_([this] {
        std::vector<StateEntry> entries = training_state(parts_.task, optimization_, parts_.copies);
        std::erase_if(entries, [](const StateEntry& entry) { return entry.changes_only_in_update; });
        return entries;
      }),
      profile_(configuration_.profile, parts_.clock, parts_.sections, parts_.files,
               settings_.layout.trace(settings_.attempt, parts_.ranks.rank())),
      left_out_(parts_.ranks, parts_.files, settings_.layout.left_out()),
      stop_sources_(parts_.clock, parts_.files, is_rank_0() ? settings_.layout.stop() : Path(), settings_.deadlines) {
  const auto saves_on_exception = [](const CheckpointOptions& entry) { return entry.on_exception; };
  saves_on_exception_ = std::any_of(configuration_.checkpoints.begin(), configuration_.checkpoints.end(), saves_on_exception);
  if (parts_.task.is_manual()) {
    check_manual_task();
    for (const auto& optimizer : optimization_.all()) optimizer->gradients().keep_order();
  }
  optimization_.set_last_step(run_.last_step);
}

RunEnd Trainer::run() try {
  begin();
  return train();
} catch (const std::exception& error) {
  parts_.callbacks.tell_of(error, view());
  throw;
} catch (...) {
  parts_.callbacks.tell_of(std::runtime_error(words_of(std::current_exception())), view());
  throw;
}

RunEnd Trainer::train() {
  if (state_.owes_validation) {
    if (!validate()) return stop();  // what it was restored from owes it, too
    ask_for_end();
    state_.callbacks = parts_.callbacks.state();
    save_if_due(boundary(count_step(start_of(state_)), std::nullopt), false, false);
  }
  if (is_over()) {
    if (is_rank_0())
      log_info("the run is finished: step {} of {}; {}", state_.global_step, run_.last_step,
               end_reason_.empty() ? "give more trainer.max_steps or max_epochs to go on" : end_reason_);
    finish();
    return RunEnd::was_finished;
  }
  bool is_stopping = false;
  while (!is_over() && !is_stopping) {
    const StepStart before = start_of(state_);
    const double start = parts_.clock.seconds();
    profile_.begin_step();
    const Vote facts = step();
    if (profile_.end_step()) report_profile();
    longest_step_seconds_ = std::max(longest_step_seconds_, parts_.clock.seconds() - start);
    report_save(checkpointer_.advance(facts));
    tell_callbacks(facts, before);
    report_step(facts, before);
    is_stopping = is_set(facts.stop_rank) && !is_over();
    state_.owes_validation = is_due(configuration_.validation, count_step(before));
    if (state_.samples_seen > before.samples_seen) state_.callbacks = parts_.callbacks.state();
    if (state_.owes_validation && !is_stopping) {
      is_stopping = !validate();  // one that is broken off is made again: what it has told callbacks by then is not kept
      if (!is_stopping) {
        ask_for_end();
        state_.callbacks = parts_.callbacks.state();
      }
    }
    Boundary here = boundary(count_step(before), facts);
    if (is_stopping) {
      here.interruption = Interruption::signal;
      here.step.is_last = false;  // the last validation is owed: what the end saves, and calls it, waits for it
    }
    save_if_due(here, facts.is_time_up != 0, is_stopping || is_over());  // no other save follows
  }
  if (profile_.end_early()) report_profile();
  if (is_stopping) return stop();
  finish();
  return RunEnd::finished;
}

void Trainer::begin() {
  left_out_.read();
  const bool is_restart = settings_.attempt > settings_.first_attempt;
  const std::string resume =
      is_restart ? checkpointer_.resume_of_restart(configuration_.resume, settings_.first_attempt) : configuration_.resume;
  if (configuration_.init_from && resume == "none") check_init_from(*configuration_.init_from);  // before states are moved
  const std::optional<Restored> restored = checkpointer_.restore(resume, training_state(parts_.task, optimization_, parts_.copies));
  if (restored)
    go_on_from(*restored);
  else
    start_from_scratch();
  state_.plateaus = optimization_.plateaus();
  if (const auto scale = optimization_.scaler().state()) state_.gradient_scale = scale;
  parts_.training.seek(state_.samples_seen);
  parts_.task.model().train();
  if (is_rank_0()) begin_metrics(restored && restored->is_of_this_run ? restored->manifest.options : json());
  progress_ = std::make_unique<Progress>(parts_.clock, parts_.heartbeat, is_rank_0() ? settings_.progress : Progress::Style::none,
                                         state_.global_step, run_.last_step);
  if (parts_.heartbeat) {
    parts_.heartbeat->block().durable_step = checkpointer_.durable_step();
    parts_.heartbeat->block().resumed_step = restored ? state_.global_step : -1;
  }
  set_log_step(state_.global_step);
  if (is_rank_0()) warn_of_saves_by_score(configuration_.checkpoints);
  const bool goes_on = configuration_.resume == "auto" || (restored && restored->is_of_this_run);
  left_out_.begin(goes_on ? std::optional(0) : is_restart ? std::optional(settings_.first_attempt) : std::nullopt, state_.left_out);
  if (is_rank_0() && !left_out_.empty())
    log_info("left out, because of bad numbers: {} updates ({})", left_out_.size(), settings_.layout.left_out().string());
  parts_.callbacks.each("on_fit_start", [&](Callback& callback) { callback.on_fit_start(view(), parts_.ranks); });
  state_.callbacks = parts_.callbacks.state();
  if (!state_.owes_validation) ask_for_end();
  if (!is_over() && is_rank_0()) parts_.files.remove_file(settings_.layout.done());
}

void Trainer::check_init_from(const Path& path) {
  checkpointer_.given("init_from", path);
  std::error_code failed;  // then the paths differ
  const Path root = std::filesystem::weakly_canonical(settings_.layout.root, failed),
             given = std::filesystem::weakly_canonical(path, failed);
  const Path states = std::filesystem::weakly_canonical(settings_.layout.checkpoints(), failed);
  if (given != root && std::mismatch(states.begin(), states.end(), given.begin(), given.end()).first != states.end()) return;
  throw ConfigError(ErrorText{.attempted = "init_from with resume: none",
                              .expected = "weights of another run directory",
                              .found = path.string(),
                              .cause = "a run that begins anew moves the states of its directory away",
                              .next = "give another --run-dir, or copy that state elsewhere first"});
}

void Trainer::start_from_scratch() {
  for (const StateEntry& entry : model_entries(parts_.task.model())) {
    std::vector<std::byte> bytes(entry.info.bytes());
    entry.copy_to(0, bytes);
    parts_.ranks.broadcast(bytes, 0);
    entry.copy_from(0, bytes);
  }
  if (configuration_.init_from) {
    const Path weights = checkpointer_.given("init_from", *configuration_.init_from).front();
    load_weights(checkpointer_, weights, parts_.task.model());
    if (is_rank_0()) log_info("weights from {}, step 0", weights.string());
  }
  parts_.copies.reset();
  seed_generators(static_cast<std::uint64_t>(configuration_.run.seed), parts_.ranks.rank(), 0, place_of(parts_.task.model()));
}

void Trainer::go_on_from(const Restored& restored) {
  try {
    state_ = run_state_from_json(restored.manifest.state);
  } catch (const std::exception& error) {
    throw CorruptCheckpoint(
        ErrorText{.attempted = "read the trainer's state in the manifest of " + restored.path.string(), .cause = error.what()});
  }
  for (const auto& optimizer : optimization_.all()) optimizer->set_updates(state_.optimizer_updates[optimizer->name()]);
  optimization_.set_plateaus(state_.plateaus);
  restore_bucket_order(restored.manifest.environment, optimization_);
  if (state_.gradient_scale) optimization_.restore_scale(*state_.gradient_scale);
  if (parts_.task.is_manual()) optimization_.multiply_waiting(optimization_.manual_seed() / state_.gradient_seed);
  const at::Device place = place_of(parts_.task.model());
  const auto seed = static_cast<std::uint64_t>(configuration_.run.seed);
  const auto is_of_device = [name = generator_name(place)](const TensorInfo& tensor) { return tensor.name == name; };
  if (restored.is_new_rank)
    seed_generators(seed, parts_.ranks.rank(), state_.global_step, place);
  else if (std::none_of(restored.manifest.tensors.begin(), restored.manifest.tensors.end(), is_of_device))
    seed_generator(seed, parts_.ranks.rank(), state_.global_step, place);  // the run was on another device
  parts_.callbacks.restore(state_.callbacks);
  const std::vector<std::string> begun = parts_.copies.reset_missing(restored.manifest.tensors);
  if (!is_rank_0()) return;
  log_info("resumed from {} at step {} of {}, {} samples seen", restored.path.string(), state_.global_step, run_.last_step,
           state_.samples_seen);
  for (const std::string& average : begun) log_info("the average {} begins with the weights of step {}", average, state_.global_step);
  for (const std::string& difference : option_differences(restored.manifest.options, options_))
    log_info("the configuration has changed: {}", difference);
  for (const std::string& difference : environment_differences(restored.manifest.environment, environment()))
    log_warning("bits may differ from an uninterrupted run because {}", difference);
}

json Trainer::environment() const {
  json environment = describe_environment(parts_.ranks, settings_.threads_per_rank, optimization_, configuration_.precision.compute);
  environment.update(settings_.device);
  return environment;
}

Vote Trainer::step() {
  if (state_.samples_seen % parts_.training.epoch_samples() == 0) begin_epoch();
  std::optional<RunState> before;
  if (saves_on_exception_ || training_step_.may_come_to_nothing()) {
    const SectionTracker::Charge charge(parts_.sections, TimeCause::checkpoint);
    before_group_.take();
  }
  if (saves_on_exception_) before = state_;
  try {
    return training_step_.run(state_);
  } catch (...) {
    const std::exception_ptr failure = std::current_exception();
    if (before && training_step_.is_failure_agreed()) save_before_failure(*before);
    std::rethrow_exception(failure);
  }
}

StepEvent Trainer::count_step(const StepStart& before) const {
  return {before.global_step, state_.global_step, epochs_in(before.samples_seen), epochs_in(state_.samples_seen), is_over()};
}

bool Trainer::validate() {
  if (!parts_.validation) {
    state_.owes_validation = false;
    return true;
  }
  const SectionTracker::Charge charge(parts_.sections, TimeCause::validation);
  const std::string& weights = configuration_.validation.weights;
  parts_.callbacks.each("on_validation_start", [&](Callback& callback) { callback.on_validation_start(view(), parts_.ranks); });
  ValidationRecord record;
  {
    const auto measured = parts_.copies.put_into_model(weights);
    const ValidationStop stop{parts_.clock, [this] { return wants_stop(); }, validation_polls_};
    const std::optional<ValidationRecord> whole =
        run_validation({parts_.ranks, parts_.sections, parts_.task, *parts_.validation, parts_.metrics, &stop},
                       configuration_.validation.max_batches, state_.global_step);
    if (!whole) return false;
    record = *whole;
  }
  state_.owes_validation = false;
  record.weights = weights;
  state_.validations.push_back(record);
  measured_batch_ = state_.batch_index;
  const std::map<std::string, double> metrics = metrics_of(record);
  adjust_plateaus(metrics);
  parts_.callbacks.each("on_validation_end", [&](Callback& callback) { callback.on_validation_end(view(), metrics, parts_.ranks); });
  if (!is_rank_0()) return true;
  json line = {{"kind", kValidationKind}, {"step", record.step}};
  line.update(json(record.metrics));
  if (!weights.empty()) line["weights"] = weights;
  const json texts = parts_.callbacks.texts();
  if (!texts.empty()) line["texts"] = texts;
  metrics_->write(line);
  progress_->print(
      fmt::format("step {}/{}  validation{}: {}", record.step, run_.last_step, weights.empty() ? "" : " of " + weights, text_of(record)));
  print_texts(texts);
  return true;
}

void Trainer::adjust_plateaus(const std::map<std::string, double>& metrics) {
  optimization_.take_in(metrics, configuration_.validation.weights);
  for (const auto& [name, plateau] : optimization_.plateaus())
    if (is_rank_0() && plateau.factor < state_.plateaus[name].factor)
      log_info("schedules.{}: {} gets no better than {:.6g}; the factor falls to {:.6g}", name, plateau.monitor,
               plateau.best.value_or(std::numeric_limits<double>::quiet_NaN()), plateau.factor);
  state_.plateaus = optimization_.plateaus();
}

}  // namespace holdfast
