// What a rank builds from a configuration, whether it trains or evaluates.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "base/heartbeat.h"
#include "dist/communicator.h"
#include "options/run_options.h"
#include "trainer/batch_loader.h"
#include "trainer/callback_list.h"
#include "trainer/data_source.h"
#include "trainer/task.h"
#include "trainer/weights/weight_copies.h"

namespace holdfast {

/// What is built before any rank talks to another.
struct Components {
  std::unique_ptr<Task> task;
  std::vector<Metric> metrics;  // of the task
  DataSources data;
  WeightCopies copies;
  CallbackList callbacks;
};

/// The model is on `place`, its initial weights are the same wherever that is. `is_check_only`: opens no data. `heartbeat` (may be null)
/// tells the shim of a plugin that ends this process. Throws ConfigError, DataError, and Error where a plugin throws.
Components build(const Configuration& configuration, at::Device place, bool is_check_only, Heartbeat* heartbeat);

/// Collective. The same number on every rank: bits depend on it.
std::int64_t set_threads(const Configuration& configuration, Communicator& ranks);
void set_determinism(Determinism determinism);

/// This rank's part of the validation data; null when there is none.
std::unique_ptr<BatchLoader> validation_loader(const Configuration& configuration, const Components& components, const Communicator& ranks);

}  // namespace holdfast
