#include "trainer/trainer.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>

#include "base/error.h"
#include "base/host.h"
#include "base/log.h"
#include "trainer/model_state.h"
#include "trainer/provenance.h"
#include "trainer/rng.h"
#include "trainer/stop_request.h"
#include "trainer/training_state.h"
#include "trainer/validation.h"

namespace holdfast {

using nlohmann::json;

Trainer::Trainer(const Parts& parts, Configuration configuration, json resolved_options, Settings settings)
    : parts_(parts),
      configuration_(std::move(configuration)),
      options_(std::move(resolved_options)),
      settings_(std::move(settings)),
      last_step_(resolve_run(configuration_, parts_.training.epoch_samples()).last_step),
      optimization_(configuration_, named_parameters(parts_.task.model())),
      training_step_({parts_.ranks, parts_.sections, parts_.task, parts_.training, optimization_, configuration_.trainer.accumulate_batches,
                      &checkpointer_}),
      checkpointer_({parts_.ranks, parts_.files, parts_.clock, parts_.sections}, settings_.layout, configuration_.checkpoints,
                    settings_.attempt) {
  if (parts_.task.is_manual() && configuration_.trainer.accumulate_batches > 1)
    throw ConfigError(ErrorText{.attempted = "trainer.accumulate_batches",
                                .expected = "1 with a task that steps its optimizers itself",
                                .found = std::to_string(configuration_.trainer.accumulate_batches),
                                .cause = "it would have no effect: such a task steps when it wants to",
                                .next = "remove the key"});
  optimization_.set_last_step(last_step_);
  const auto saves_on_exception = [](const CheckpointOptions& entry) { return entry.on_exception; };
  if (std::any_of(configuration_.checkpoints.begin(), configuration_.checkpoints.end(), saves_on_exception)) {
    if (parts_.task.is_manual())
      throw ConfigError(ErrorText{.attempted = "checkpoints: on_exception",
                                  .expected = "a task whose steps the trainer makes",
                                  .found = "one that steps its optimizers itself",
                                  .cause = "when such a task fails, what it has stepped already cannot be taken back",
                                  .next = "leave on_exception out; the state is saved by the other triggers"});
    copy_.emplace([this] {
      std::vector<StateEntry> entries = training_state(parts_.task, optimization_);
      std::erase_if(entries, [](const StateEntry& entry) { return entry.changes_only_in_update; });
      return entries;
    });
  }
  environment_ = describe_environment(parts_.ranks, settings_.threads_per_rank, optimization_);
}

RunEnd Trainer::run() {
  begin();
  if (state_.owes_validation) {
    validate();
    save_if_due(boundary(count_step(state_), std::nullopt), false, false);
  }
  if (state_.global_step >= last_step_) {
    if (is_rank_0())
      log_info("the run is finished: step {} of {}; give more trainer.max_steps or max_epochs to go on", state_.global_step, last_step_);
    finish();
    return RunEnd::was_finished;
  }
  while (state_.global_step < last_step_) {
    const RunState before = state_;
    const Vote facts = step();
    report_save(checkpointer_.advance(facts));
    const StepEvent event = count_step(before);
    const bool is_stopping = is_set(facts.stop_rank) && !event.is_last;
    report_step(facts, before);
    state_.owes_validation = is_due(configuration_.validation, event);
    if (state_.owes_validation && !is_stopping) validate();
    Boundary here = boundary(event, facts);
    if (is_stopping) here.interruption = Interruption::signal;
    save_if_due(here, facts.is_time_up != 0, is_stopping || event.is_last);  // no other save follows
    if (is_stopping) {
      if (is_rank_0())
        log_info("stopped on request after step {}; the newest checkpoint is that of step {}", state_.global_step,
                 checkpointer_.durable_step());
      progress_->finish();
      return RunEnd::stopped;
    }
  }
  finish();
  return RunEnd::finished;
}

void Trainer::begin() {
  start_from_scratch();
  const bool is_restart = settings_.attempt > settings_.first_attempt;
  const std::string resume =
      is_restart ? checkpointer_.resume_of_restart(configuration_.resume, settings_.first_attempt) : configuration_.resume;
  const std::optional<Restored> restored = checkpointer_.restore(resume, training_state(parts_.task, optimization_));
  if (restored)
    go_on_from(*restored);
  else if (configuration_.init_from) {
    checkpointer_.load_weights(*configuration_.init_from, model_entries(parts_.task.model()));
    if (is_rank_0()) log_info("weights from {}, step 0", *configuration_.init_from);
  }
  parts_.training.seek(state_.samples_seen);
  parts_.task.model().train();
  if (is_rank_0())
    metrics_ = std::make_unique<MetricsLog>(parts_.files, settings_.layout.metrics(),
                                            restored && restored->is_of_this_run ? state_.global_step : 0);
  progress_ = std::make_unique<Progress>(parts_.clock, parts_.heartbeat, is_rank_0() ? settings_.progress : Progress::Style::none,
                                         state_.global_step, last_step_);
  if (parts_.heartbeat) {
    parts_.heartbeat->block().durable_step = checkpointer_.durable_step();
    parts_.heartbeat->block().resumed_step = restored ? state_.global_step : -1;
  }
  if (state_.global_step < last_step_ && is_rank_0()) parts_.files.remove_file(settings_.layout.done());
  set_log_step(state_.global_step);
}

void Trainer::start_from_scratch() {
  for (const StateEntry& entry : model_entries(parts_.task.model())) {
    std::vector<std::byte> bytes(entry.info.bytes());
    entry.copy_to(0, bytes);
    parts_.ranks.broadcast(bytes, 0);
    entry.copy_from(0, bytes);
  }
  seed_generators(static_cast<std::uint64_t>(configuration_.run.seed), parts_.ranks.rank(), 0);
}

void Trainer::go_on_from(const Restored& restored) {
  try {
    state_ = run_state_from_json(restored.manifest.state);
  } catch (const json::exception& error) {
    throw CorruptCheckpoint(
        ErrorText{.attempted = "read the trainer's state in the manifest of " + restored.path.string(), .cause = error.what()});
  }
  for (const auto& optimizer : optimization_.all()) optimizer->set_updates(state_.optimizer_updates[optimizer->name()]);
  if (restored.is_new_rank) seed_generators(static_cast<std::uint64_t>(configuration_.run.seed), parts_.ranks.rank(), state_.global_step);
  if (!is_rank_0()) return;
  log_info("resumed from {} at step {} of {}, {} samples seen", restored.path.string(), state_.global_step, last_step_,
           state_.samples_seen);
  for (const std::string& difference : option_differences(restored.manifest.options, options_))
    log_info("the configuration has changed: {}", difference);
  for (const std::string& difference : environment_differences(restored.manifest.environment, environment_))
    log_warning("bits may differ from an uninterrupted run because {}", difference);
}

Vote Trainer::step() {
  if (copy_) copy_->take();
  const RunState before = state_;
  try {
    return training_step_.run(state_);
  } catch (...) {
    const std::exception_ptr failure = std::current_exception();
    if (copy_ && training_step_.is_failure_agreed()) save_before_failure(before);
    std::rethrow_exception(failure);
  }
}

StepEvent Trainer::count_step(const RunState& before) const {
  return {before.global_step, state_.global_step, epochs_finished(before), epochs_finished(state_), state_.global_step >= last_step_};
}

void Trainer::report_step(const Vote& facts, const RunState& before) {
  set_log_step(state_.global_step);
  const double loss = facts.count > 0 ? facts.loss_sum / static_cast<double>(facts.count) : 0.0;
  progress_->update(state_.global_step, state_.samples_seen - before.samples_seen, loss);
  if (crosses_multiple(before.global_step, state_.global_step, configuration_.trainer.log_every_steps) || state_.global_step >= last_step_)
    write_metrics_line();
}

void Trainer::write_metrics_line() {
  const double loss = state_.window_count > 0 ? state_.window_loss_sum / static_cast<double>(state_.window_count) : 0.0;
  state_.window_loss_sum = 0;
  state_.window_count = 0;
  if (!is_rank_0()) return;
  json lr = json::object();
  for (const auto& optimizer : optimization_.all()) lr[optimizer->name()] = optimization_.lr(*optimizer);
  const double epoch = static_cast<double>(state_.samples_seen) / static_cast<double>(parts_.training.epoch_samples());
  const Progress::Rates rates = progress_->take_rates();
  metrics_->write({{"kind", "train"},
                   {"step", state_.global_step},
                   {"epoch", epoch},
                   {"samples_seen", state_.samples_seen},
                   {"loss", loss},
                   {"lr", std::move(lr)},
                   {"wall_clock",
                    {{"unix_seconds", parts_.clock.unix_seconds()},
                     {"steps_per_second", rates.steps_per_second},
                     {"samples_per_second", rates.samples_per_second}}}});
  progress_->print(fmt::format("step {}/{}  epoch {:.2f}  loss {:.4f}  {:.0f} samples/s", state_.global_step, last_step_, epoch, loss,
                               rates.samples_per_second));
}

void Trainer::validate() {
  state_.owes_validation = false;
  if (!parts_.validation) return;
  const ValidationRecord record = run_validation({parts_.ranks, parts_.sections, parts_.task, *parts_.validation},
                                                 configuration_.validation.max_batches, state_.global_step);
  state_.validations.push_back(record);
  measured_batch_ = state_.batch_index;
  if (!is_rank_0()) return;
  metrics_->write({{"kind", "validation"}, {"step", record.step}, {"loss", record.loss}, {"accuracy", record.accuracy}});
  progress_->print(
      fmt::format("step {}/{}  validation: loss {:.4f}, accuracy {:.2f} %", record.step, last_step_, record.loss, 100 * record.accuracy));
}

Boundary Trainer::boundary(const StepEvent& event, const std::optional<Vote>& facts) const {
  const std::int64_t epoch = std::max<std::int64_t>(state_.samples_seen - 1, 0) / parts_.training.epoch_samples();
  Boundary here{.position = {.epoch = epoch, .batch = state_.batch_index, .step = state_.global_step}, .step = event};
  if (facts && facts->count > 0) here.metrics["train_loss"] = facts->loss_sum / static_cast<double>(facts->count);
  here.has_validated = measured_batch_ == state_.batch_index;
  if (here.has_validated) {
    here.metrics["val_loss"] = state_.validations.back().loss;
    here.metrics["val_accuracy"] = state_.validations.back().accuracy;
  }
  return here;
}

void Trainer::save_if_due(const Boundary& boundary, bool is_time_up, bool must_succeed) {
  if (!may_save(configuration_.checkpoints, boundary, is_time_up)) return;
  if (checkpointer_.is_saving()) {
    const double start = parts_.clock.seconds();
    report_save(checkpointer_.finish_save());
    const double waited = parts_.clock.seconds() - start;
    if (is_rank_0() && waited > 0.1 && !must_succeed)
      log_warning("waited {:.2f} s for the save before this one: storage is slower than checkpoints are due", waited);
  }
  if (metrics_) metrics_->sync();  // outside: a failure that only rank 0 knows must not keep it out of the others' collectives
  const bool is_saving = checkpointer_.begin_save(snapshot(), boundary);
  if (is_saving && (must_succeed || !configuration_.saving.asynchronous)) report_save(checkpointer_.finish_save(), must_succeed);
}

void Trainer::save_before_failure(const RunState& before) try {
  state_ = before;
  copy_->put_back();
  Boundary here = boundary({state_.global_step, state_.global_step, epochs_finished(state_), epochs_finished(state_), false}, std::nullopt);
  here.interruption = Interruption::exception;
  save_if_due(here, false, true);
} catch (const std::exception& error) {
  log_error("the state before the failure is not saved: {}", error.what());
}

void Trainer::report_save(const std::optional<SaveResult>& result, bool must_succeed) {
  if (!result) return;
  if (result->failure.empty()) {
    failed_saves_ = 0;
    if (parts_.heartbeat) parts_.heartbeat->block().durable_step = checkpointer_.durable_step();
    if (is_rank_0()) log_info("checkpoint of step {} is durable ({:.2f} s)", result->global_step, result->seconds);
    return;
  }
  if (result->is_corruption)
    throw Error(result->failure, configuration_.saving.on_corruption == Corruption::stop ? kExitData : kExitSoftware);
  if (must_succeed) throw StorageError(result->failure);
  if (++failed_saves_ >= configuration_.saving.max_failures && configuration_.saving.on_failure == FailedSaves::stop)
    throw StorageError(
        fmt::format("{} saves in a row have failed (saving.on_failure: stop); the last one: {}", failed_saves_, result->failure));
  if (is_rank_0()) log_error("{}", result->failure);  // training goes on; the next due save tries again
}

Snapshot Trainer::snapshot() const {
  return {.global_step = state_.global_step,
          .entries = training_state(parts_.task, optimization_),
          .state = to_json(state_),
          .options = options_,
          .environment = environment_};
}

void Trainer::finish() {
  report_save(checkpointer_.finish_save(), true);
  checkpointer_.settle();
  parts_.sections.enter(Section::finish, state_.global_step);
  parts_.sections.point();
  progress_->finish();
  const std::string hash = parameter_hash(parts_.task.model());
  if (!is_rank_0()) return;
  json metrics = json::object();
  if (!state_.validations.empty())
    metrics = {{"validation_loss", state_.validations.back().loss}, {"validation_accuracy", state_.validations.back().accuracy}};
  write_text_durably(parts_.files, settings_.layout.done(),
                     json{{"global_step", state_.global_step},
                          {"samples_seen", state_.samples_seen},
                          {"parameter_hash", hash},
                          {"metrics", metrics},
                          {"attempt", settings_.attempt},
                          {"world_size", parts_.ranks.size()},
                          {"finished", utc_time(parts_.clock.unix_seconds())}}
                             .dump(2) +
                         "\n");
  fmt::print("finished: step {}, parameter hash {}\n", state_.global_step, hash);
  std::fflush(stdout);
}

}  // namespace holdfast
