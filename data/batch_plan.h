// Which samples a rank reads when: pure arithmetic on the position. The global batch at a position is the same set of
// samples in the same order at every world size; a rank takes a contiguous slice of it.
#pragma once

#include <cstdint>
#include <vector>

namespace holdfast {

struct BatchPlan {
  std::int64_t dataset_samples = 0;
  std::int64_t global_batch_size = 0;
  bool drop_last = false;
  bool shuffle = true;
  std::uint64_t seed = 0;
  int rank = 0;
  int world_size = 1;

  /// Samples of an epoch.
  std::int64_t epoch_samples() const;
  /// Size of the global batch that begins after `samples_seen`; the last of an epoch may be short.
  std::int64_t global_samples_at(std::int64_t samples_seen) const;
  /// This rank's slice of it: indices into the data set. May be empty.
  std::vector<std::int64_t> my_indices_at(std::int64_t samples_seen) const;
};

}  // namespace holdfast
