// What the training reads: this rank's batches, one after the other. data/prefetch_loader.h makes them of a source.
#pragma once

#include <cstdint>

#include "trainer/task.h"

namespace holdfast {

/// This rank's batches in the order of the run. The position is one integer, so that restoring costs nothing.
class BatchLoader {
 public:
  virtual ~BatchLoader() = default;
  /// Samples of an epoch over all ranks.
  virtual std::int64_t epoch_samples() const = 0;
  /// Goes to the batch that begins after `samples_seen` samples of the run (over all ranks).
  virtual void seek(std::int64_t samples_seen) = 0;
  /// Samples of the next batch over all ranks; the last of an epoch may be short.
  virtual std::int64_t next_global_samples() const = 0;
  /// This rank's contiguous part of it; goes on to the one after. May block on reading. Throws DataError.
  virtual Batch next() = 0;
};

}  // namespace holdfast
