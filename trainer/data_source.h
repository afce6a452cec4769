// Where samples come from. A source is random access over [0, size()): order, epochs, ranks and prefetching are not its
// business. `load` is called by prefetching threads at any time and must not change anything.
#pragma once

#include <cstdint>
#include <span>

#include "trainer/task.h"

namespace holdfast {

class DataSource {
 public:
  virtual ~DataSource() = default;
  /// Samples; the same on every rank.
  virtual std::int64_t size() const = 0;
  /// The samples with these indices, in this order. `epoch` and `seed` are for augmentation: what is drawn for a sample is
  /// a function of (seed, epoch, index) alone. Throws DataError.
  virtual Batch load(std::span<const std::int64_t> indices, std::int64_t epoch, std::uint64_t seed) const = 0;
};

/// The two sources of a run; validation may be missing (null).
struct DataSources {
  std::shared_ptr<const DataSource> training;
  std::shared_ptr<const DataSource> validation;
};

}  // namespace holdfast
