#include "options/steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "options/metric_name.h"

namespace holdfast {
namespace {

constexpr std::int64_t kLastPossibleStep = std::numeric_limits<std::int64_t>::max();

// Without the sum of a + b - 1, which can overflow.
std::int64_t divide_up(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// 1.1 epochs of 10 updates are 11 updates, though 1.1 * 10 is a little more than 11 in binary.
std::int64_t steps_of_epochs(double epochs, std::int64_t updates) {
  const double product = epochs * static_cast<double>(updates);
  if (product >= static_cast<double>(kLastPossibleStep)) return kLastPossibleStep;
  const double nearest = std::round(product);
  const double rounding = 4 * std::numeric_limits<double>::epsilon() * product;
  const double steps = std::abs(product - nearest) <= rounding ? nearest : std::ceil(product);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
}

void resolve(std::optional<double>& every, std::int64_t last_step) {
  if (every && *every > 0 && *every < 1) every = static_cast<double>(steps_of_epochs(*every, last_step));
}

std::string grid_text(std::int64_t steps, std::int64_t epochs) {
  if (steps > 0 && epochs > 0) return fmt::format("{} updates and every {} epochs", steps, epochs);
  return steps > 0 ? fmt::format("{} updates", steps) : epochs > 0 ? fmt::format("{} epochs", epochs) : "0 updates: never";
}

bool is_multiple(std::int64_t a, std::int64_t b) { return b > 0 && a % b == 0; }

}  // namespace

EpochShape epoch_shape(std::int64_t dataset_samples, std::int64_t global_batch_size, bool drop_last, std::int64_t accumulate_batches) {
  const std::int64_t batches = drop_last ? dataset_samples / global_batch_size : divide_up(dataset_samples, global_batch_size);
  if (batches < 1)
    throw ConfigError(
        {.attempted = "cutting the data into batches",
         .expected = "at least one batch in an epoch",
         .found = fmt::format("{} samples for batches of {}{}", dataset_samples, global_batch_size, drop_last ? " (drop_last: true)" : ""),
         .next = dataset_samples < 1 ? "give the run data that has samples"
                                     : "set data.drop_last to false, or a smaller data.global_batch_size"});
  const std::int64_t samples = drop_last ? batches * global_batch_size : dataset_samples;
  return {.samples = samples, .batches = batches, .updates = divide_up(batches, accumulate_batches)};
}

std::int64_t last_step(const TrainerOptions& options, const EpochShape& epoch) {
  std::int64_t last = options.max_steps.value_or(kLastPossibleStep);
  if (options.max_epochs) last = std::min(last, steps_of_epochs(*options.max_epochs, epoch.updates));
  return last;
}

std::int64_t last_sample(const TrainerOptions& options, const EpochShape& epoch, std::int64_t global_batch_size) {
  constexpr std::int64_t kNowhere = std::numeric_limits<std::int64_t>::max();
  if (!options.max_epochs) return kNowhere;
  const std::int64_t batches = steps_of_epochs(*options.max_epochs, epoch.batches);
  const std::int64_t rest = std::min(batches % epoch.batches * global_batch_size, epoch.samples);
  std::int64_t samples = 0;
  if (__builtin_mul_overflow(batches / epoch.batches, epoch.samples, &samples) || __builtin_add_overflow(samples, rest, &samples))
    return kNowhere;
  return samples;
}

RunShape resolve_run(Configuration& configuration, std::int64_t samples) {
  const DataOptions& data = configuration.data;
  const EpochShape epoch = epoch_shape(samples, data.global_batch_size, data.drop_last, configuration.trainer.accumulate_batches);
  const std::int64_t last = last_step(configuration.trainer, epoch);
  resolve_fractions(configuration.validation, configuration.checkpoints, last);
  require_measured_saves(configuration.validation, configuration.checkpoints, epoch.updates);
  return {epoch, last, last_sample(configuration.trainer, epoch, data.global_batch_size)};
}

bool crosses_multiple(std::int64_t before, std::int64_t after, std::int64_t n) { return after / n > before / n; }

bool is_crossed(std::optional<std::int64_t> every, std::int64_t before, std::int64_t after) {
  return every && *every > 0 && crosses_multiple(before, after, *every);
}

bool is_crossed(std::optional<double> every, std::int64_t before, std::int64_t after) {
  return every && is_crossed(std::optional(static_cast<std::int64_t>(*every)), before, after);
}

bool is_due(const ValidationOptions& options, const StepEvent& event) {
  return is_crossed(options.every_steps, event.step_before, event.step_after) ||
         is_crossed(options.every_epochs, event.epochs_before, event.epochs_after) || (options.at_end && event.is_last);
}

void resolve_fractions(ValidationOptions& validation, std::vector<CheckpointOptions>& checkpoints, std::int64_t last_step) {
  resolve(validation.every_steps, last_step);
  for (CheckpointOptions& entry : checkpoints) resolve(entry.every_steps, last_step);
}

void require_measured_saves(const ValidationOptions& validation, const std::vector<CheckpointOptions>& checkpoints,
                            std::int64_t updates_per_epoch) {
  const auto whole = [](const std::optional<double>& every) { return static_cast<std::int64_t>(every.value_or(0)); };
  const std::int64_t steps = whole(validation.every_steps), epochs = validation.every_epochs.value_or(0);
  for (const CheckpointOptions& entry : checkpoints) {
    if (!entry.limit || !is_of_validation(entry.monitor)) continue;
    const std::int64_t save_steps = whole(entry.every_steps), save_epochs = entry.every_epochs.value_or(0);
    const bool is_mixed_unknown = updates_per_epoch == 0;
    const bool are_steps_measured = save_steps == 0 || is_multiple(save_steps, steps) ||
                                    (epochs > 0 && (is_mixed_unknown || is_multiple(save_steps, epochs * updates_per_epoch)));
    const bool are_epochs_measured = save_epochs == 0 || is_multiple(save_epochs, epochs) ||
                                     (steps > 0 && (is_mixed_unknown || is_multiple(save_epochs * updates_per_epoch, steps)));
    if (are_steps_measured && are_epochs_measured) continue;
    throw ConfigError(
        {.attempted = fmt::format("keep the best by {} (checkpoints: {{name: {}, limit: {}}})", entry.monitor, entry.name, *entry.limit),
         .expected = "a validation at each save",
         .found = fmt::format("saves every {}, validations every {}", grid_text(save_steps, save_epochs), grid_text(steps, epochs)),
         .cause = "a state that was not measured cannot be the best",
         .next = "let every_steps (or every_epochs) of the entry be a multiple of that of `validation`, or save with after_validation"});
  }
}

}  // namespace holdfast
