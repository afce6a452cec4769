// The manifest of a checkpoint of a model of a billion parameters, at any number of shards: made by what makes it in a save, of shards that
// are laid out as they would be and never written.
#pragma once

#include <string>
#include <vector>

#include "bench/scale/figure.h"

namespace holdfast {

/// What every rank would hand to rank 0: the record of its shard, and its digests for the comparison of replicas.
struct Records {
  std::vector<std::string> shards, reports;
  double layout_seconds = 0;  // of all ranks together
};
Records records_of_big_model(int ranks);

/// What rank 0 knows beside them.
std::string facts_of_big_model(int ranks);

std::vector<Figure> measure_manifests(const ScaleTask& task);

}  // namespace holdfast
