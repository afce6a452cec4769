// Mixed precision: within a scope, LibTorch computes matrix products, convolutions and attention with 16 bits, and what needs the range
// with 32. Each thread has its own; backward passes belong outside of it.
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <memory>
#include <optional>

#include "options/run_options.h"
#include "trainer/task.h"

namespace holdfast {

/// What autocast is set to in this thread, for one kind of device.
struct AutocastState {
  bool is_enabled = false;
  at::ScalarType type = at::kBFloat16;
};
AutocastState autocast_state(at::DeviceType device);

/// Every use of a parameter is rounded by itself: copies that are kept for the next use, as LibTorch does by default, would add gradients
/// up with 16 bits, and in another order where a stage is computed again.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, AutocastState state);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  AutocastState before_;
  bool had_cache_;
};

/// `task`, whose loss, evaluation, samples and batches (manual optimization) are computed with `compute`. float32: `task` itself.
std::unique_ptr<Task> with_precision(std::unique_ptr<Task> task, NumberFormat compute);

}  // namespace holdfast
