// Checks and comparisons of stored checkpoints, without MPI or LibTorch.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {

/// One fault that verify found. `text` says it all: "read the shard CHECKPOINT/shard-00001-of-00002.h5, dataset model/0.weight,
/// block 3 (from byte 3147776 of the file): expected digest ..., found ...". `shard` and `dataset` are empty where it concerns none.
struct Finding {
  std::string shard, dataset, text;
};

/// Reads everything and checks it. Empty: sound. Also reports missing, extra and foreign files. `progress` gets bytes done
/// and bytes in all.
std::vector<Finding> verify_checkpoint(FileSystem& files, const Path& checkpoint,
                                       const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

struct TensorDifference {
  std::string tensor;
  std::string what;               // "values", "shape", "dtype", "only in A", "only in B"
  std::int64_t first_index = -1;  // flat, of the first element that differs
  double max_absolute = 0, max_relative = 0;
  std::int64_t elements = 0;  // how many differ
};

/// Compares two checkpoints whatever their world sizes: tensors by digests first, values where they differ, per-rank
/// tensors rank by rank, and the trainer's state (wall-clock facts left out).
std::vector<TensorDifference> diff_checkpoints(FileSystem& files, const Path& a, const Path& b);

/// One digest over names, shapes and bytes of the tensors whose name starts with `prefix` ("model/"), from the stored
/// digests alone; equal for the same values at every world size.
Digest state_hash(const Manifest& manifest, const std::string& prefix = "");

}  // namespace holdfast
