// Step arithmetic and triggers: pure functions, no state. "Crossing" means that a multiple of n lies in (before, after]:
// nothing is lost when the counter jumps.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "options/run_options.h"

namespace holdfast {

struct EpochShape {
  std::int64_t samples;  // of one epoch, after drop_last
  std::int64_t batches;  // global batches of one epoch, the short last one included
  std::int64_t updates;  // a short last accumulation group steps too
};

/// ConfigError when an epoch has no batch (drop_last with fewer samples than a batch).
EpochShape epoch_shape(std::int64_t dataset_samples, std::int64_t global_batch_size, bool drop_last, std::int64_t accumulate_batches);

/// The update after which the run ends: max_steps, or ceil(max_epochs * updates), whichever is smaller.
std::int64_t last_step(const TrainerOptions& options, const EpochShape& epoch);

/// The position in the data (samples) at which the run ends by max_epochs, whatever was stepped on the way; INT64_MAX: nowhere.
std::int64_t last_sample(const TrainerOptions& options, const EpochShape& epoch, std::int64_t global_batch_size);

struct RunShape {
  EpochShape epoch;
  std::int64_t last_step;    // updates of the whole run
  std::int64_t last_sample;  // where it ends, if its task makes fewer updates than there are batches
};

/// How long a run on `samples` training samples is; makes steps of the fractions in `configuration`. Throws ConfigError: an epoch without a
/// batch, saves that should be measured and are not (require_measured_saves).
RunShape resolve_run(Configuration& configuration, std::int64_t samples);

bool crosses_multiple(std::int64_t before, std::int64_t after, std::int64_t n);

/// What has just been completed.
struct StepEvent {
  std::int64_t step_before, step_after;      // global_step
  std::int64_t epochs_before, epochs_after;  // finished epochs
  bool is_last;                              // the run ends here
};

/// True when a multiple of `every` lies in (before, after]; 0 or none: never.
bool is_crossed(std::optional<std::int64_t> every, std::int64_t before, std::int64_t after);
bool is_crossed(std::optional<double> every, std::int64_t before, std::int64_t after);

bool is_due(const ValidationOptions& options, const StepEvent& event);

/// Makes updates of the fractions in `every_steps`: that part of `last_step`, rounded up.
void resolve_fractions(ValidationOptions& validation, std::vector<CheckpointOptions>& checkpoints, std::int64_t last_step);

/// Where an entry protects the best of what it saves (`limit` with a metric of the validation), each save must follow a validation.
/// Fractions must have been resolved. `updates_per_epoch` 0: unknown, epochs are not held against steps. Throws ConfigError that names both
/// grids.
void require_measured_saves(const ValidationOptions& validation, const std::vector<CheckpointOptions>& checkpoints,
                            std::int64_t updates_per_epoch);

}  // namespace holdfast
