// Trainer: what a run tells of itself while it trains.
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <sstream>

#include "base/log.h"
#include "base/printable.h"
#include "trainer/trainer.h"

namespace holdfast {

using nlohmann::json;

void Trainer::begin_metrics(const json& options_before) {
  KeptMetrics kept;
  if (!options_before.is_null()) {
    kept.step = state_.global_step;
    kept.validations = std::count_if(state_.validations.begin(), state_.validations.end(),
                                     [&](const ValidationRecord& one) { return one.step == state_.global_step; });
  }
  metrics_ = std::make_unique<RunMetrics>(parts_.files, parts_.clock, settings_.layout, configuration_.logging, kept);
  if (options_before != options_) metrics_->write_configuration(kept.step + 1, options_);
}

void Trainer::report_step(const Vote& facts, const StepStart& before) {
  set_log_step(state_.global_step);
  const double loss = facts.count > 0 ? facts.loss_sum / static_cast<double>(facts.count) : 0.0;
  if (has_trained(before)) progress_->update(state_.global_step, state_.samples_seen - before.samples_seen, loss);
  // An end by an update that was not made has nothing new to tell.
  const bool has_unwritten_end = is_over() && state_.window_count > 0;
  if (crosses_multiple(before.global_step, state_.global_step, configuration_.trainer.log_every_steps) || has_unwritten_end)
    write_metrics_line();
  if (metrics_ && is_crossed(configuration_.logging.histograms_every_steps, before.global_step, state_.global_step)) write_histograms();
  parts_.sections.completed(state_.global_step);
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
  json line = {{"kind", "train"},
               {"step", state_.global_step},
               {"epoch", epoch},
               {"samples_seen", state_.samples_seen},
               {"loss", loss},
               {"lr", std::move(lr)},
               {"wall_clock",
                {{"unix_seconds", parts_.clock.unix_seconds()},
                 {"steps_per_second", rates.steps_per_second},
                 {"samples_per_second", rates.samples_per_second}}}};
  if (const auto scale = optimization_.scaler().state()) {
    line["gradient_scale"] = scale->scale;
    line["skipped_updates"] = scale->skipped_updates;
  }
  parts_.callbacks.add_metrics(line);
  metrics_->write(line);
  progress_->print(fmt::format("step {}/{}  epoch {:.2f}  loss {:.4f}  {:.0f} samples/s", state_.global_step, run_.last_step, epoch, loss,
                               rates.samples_per_second));
}

/// A task that steps its optimizers itself may have forgotten one: its parameters stay as they are, and nothing else would say so.
void Trainer::warn_of_idle_optimizers() {
  for (const auto& optimizer : optimization_.all()) {
    const auto before = updates_before_epoch_.find(optimizer->name());
    if (before == updates_before_epoch_.end() || optimizer->updates() > before->second) continue;
    if (idle_optimizers_.insert(optimizer->name()).second)
      log_warning("optimizers.{}: the task has not stepped it in epoch {}, which is over; {} updates so far", optimizer->name(),
                  epochs_in(state_.samples_seen) - 1, optimizer->updates());
  }
}

void Trainer::print_texts(const json& texts) {
  for (const auto& [name, list] : texts.items())
    for (const json& text : list) {
      std::istringstream lines(printable(text.get<std::string>()));
      std::string shown;
      for (std::string line; std::getline(lines, line);) shown += "\n  | " + line;
      progress_->print(fmt::format("step {}/{}  {}:{}", state_.global_step, run_.last_step, name, shown));
    }
}

void Trainer::write_histograms() {
  for (const auto& optimizer : optimization_.all())
    for (const NamedParameter& parameter : optimizer->gradients().parameters()) {
      const at::Tensor values = parameter.tensor.detach().to(at::kCPU, at::kFloat).contiguous();
      const std::span numbers(values.data_ptr<float>(), static_cast<std::size_t>(values.numel()));
      metrics_->write_histogram(state_.global_step, "parameters/" + parameter.name, numbers);
    }
}

void Trainer::report_profile() {
  const StepTimes& mine = profile_.times();
  const std::vector<std::string> all = parts_.ranks.gather(json{{"seconds", mine.seconds}, {"waiting", mine.waiting_seconds}}.dump(), 0);
  if (!is_rank_0()) return;
  std::vector<StepTimes> ranks;
  for (const std::string& text : all) {
    const json times = json::parse(text);
    ranks.push_back({times["seconds"].get<std::map<std::string, double>>(), times["waiting"]});
  }
  progress_->print(table_of(ranks, profile_.measured()));
  log_info("traces of these steps, one for each rank: {}", settings_.layout.trace(settings_.attempt, 0).string());
}

}  // namespace holdfast
