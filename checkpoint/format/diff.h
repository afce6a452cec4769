// Two checkpoints compared, whatever their world sizes: by the digests in their manifests first, and by values where those
// differ. Only what differs is read. Without MPI or LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/scan.h"

namespace holdfast {

struct TensorDifference {
  std::string tensor;                     // "NAME", "NAME of rank R", "state/KEY"
  std::string what;                       // "values", "shape", "dtype", "only in A", "only in B"; of the state: both values
  std::int64_t first_index = -1;          // flat, of the first element that differs
  std::vector<std::int64_t> first_place;  // likewise, one number for each dimension
  double max_absolute = 0, max_relative = 0;
  std::int64_t elements = 0;  // how many differ
};

/// Tensors (per-rank ones rank by rank), those of transformed copies as "COPY/NAME", and the trainer's state, wall-clock facts left out.
/// Where digests are equal nothing is read: damage there is verify's to find. `progress` is told of the bytes that are read, of the
/// original and then of each copy. Throws CorruptCheckpoint for damage in what is read and for a bad manifest, StorageError.
std::vector<TensorDifference> diff_checkpoints(FileSystem& files, const Path& a, const Path& b, const ReadProgress& progress = {});

}  // namespace holdfast
