#include "data/batch_plan.h"

#include <algorithm>

#include "data/permutation.h"

namespace holdfast {

std::int64_t BatchPlan::epoch_samples() const {
  return drop_last ? dataset_samples - dataset_samples % global_batch_size : dataset_samples;
}

std::int64_t BatchPlan::global_samples_at(std::int64_t samples_seen) const {
  return std::min(global_batch_size, epoch_samples() - samples_seen % epoch_samples());
}

std::vector<std::int64_t> BatchPlan::my_indices_at(std::int64_t samples_seen) const {
  const std::int64_t epoch = samples_seen / epoch_samples(), start = samples_seen % epoch_samples();
  const std::int64_t size = global_samples_at(samples_seen);
  const std::int64_t begin = start + size * rank / world_size, end = start + size * (rank + 1) / world_size;
  const Permutation order(dataset_samples, seed, epoch);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = begin; i < end; ++i) indices.push_back(shuffle ? order(i) : i);
  return indices;
}

}  // namespace holdfast
