// Validation: the mean loss and accuracy over the validation data, reduced over the ranks. Collective.
#pragma once

#include <optional>

#include "base/section.h"
#include "dist/communicator.h"
#include "trainer/data_source.h"
#include "trainer/run_state.h"
#include "trainer/task.h"

namespace holdfast {

struct ValidationParts {
  Communicator& ranks;
  SectionTracker& sections;
  Task& task;
  BatchLoader& loader;
};

/// Collective, blocks. Sums and counts are added up over ranks, each sample weighs the same. Draws nothing from the training
/// generators and leaves the model in training mode. Another rank's failure is a PeerLost.
ValidationRecord run_validation(const ValidationParts& parts, std::optional<std::int64_t> max_batches, std::int64_t step);

}  // namespace holdfast
