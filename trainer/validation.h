// Validation: the mean loss and the task's metrics over the validation data, reduced over the ranks. Collective.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/section.h"
#include "dist/communicator.h"
#include "trainer/batch_loader.h"
#include "trainer/state/run_state.h"
#include "trainer/stopping/poll_interval.h"
#include "trainer/task.h"

namespace holdfast {

/// By what a validation is broken off.
struct ValidationStop {
  const Clock& clock;
  std::function<bool()> wants_stop;  // does this rank?
  PollInterval& polls;               // kept from one validation to the next
};

struct ValidationParts {
  Communicator& ranks;
  SectionTracker& sections;
  Task& task;
  BatchLoader& loader;
  const std::vector<Metric>& metrics;    // of the task: the same on every rank
  const ValidationStop* stop = nullptr;  // null: it is not broken off
};

/// Collective, blocks. Sums and counts are added up over batches and ranks, each sample weighs the same: counts are exact at every world
/// size, sums are up to rounding. Draws nothing from the training generators and leaves the model in training mode. Throws what a task
/// throws, and std::logic_error for a metric that it measures but does not name; another rank's failure is a PeerLost. nullopt: the ranks
/// have agreed, between two batches, to stop.
std::optional<ValidationRecord> run_validation(const ValidationParts& parts, std::optional<std::int64_t> max_batches, std::int64_t step);

/// "loss 0.3449, accuracy 0.8874": the loss, then the others by name. `number`: a format of fmt.
std::string text_of(const ValidationRecord& record, std::string_view number = "{:.4f}");

}  // namespace holdfast
