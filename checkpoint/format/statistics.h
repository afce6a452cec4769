// Figures of stored values, tensor by tensor. Reads the whole checkpoint. Without MPI or LibTorch.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/scan.h"

namespace holdfast {

struct TensorStatistics {
  int rank = -1;  // whose, of a per-rank tensor
  std::int64_t elements = 0, nans = 0, infinities = 0;
  /// Of what is no NaN, infinities included; exact in every dtype (x86-64: 64 bits of mantissa). Without any: NaN.
  long double min = 0, max = 0;
  double mean = 0;
};

/// By tensor in the manifest's order; of a per-rank tensor one for each rank, else one. Throws CorruptCheckpoint naming the first damage.
std::vector<std::vector<TensorStatistics>> tensor_statistics(FileSystem& files, const Path& checkpoint, const Manifest& manifest,
                                                             const ReadProgress& progress = {});

/// As a value of `dtype`: an integer where it is one.
nlohmann::json to_json(long double value, DType dtype);
/// elements, nans, infinities, min, max, mean, and rank where there is one.
nlohmann::json to_json(const TensorStatistics& statistics, DType dtype);

}  // namespace holdfast
