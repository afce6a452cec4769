// Checkpoints of simulated ranks by the real Checkpointer: saves, commits, and which one a run goes on from. Every rank writes a real
// shard; those of other ranks than 0 are not synced, as that is the work of their hosts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "bench/scale/figure.h"
#include "bench/scale/traffic.h"

namespace holdfast {

struct MeasuredSave {
  double begin_seconds = 0;    // rank 0: the decision, the pending directory, its own shard
  double collect_seconds = 0;  // rank 0: what it does with the records of all
  double commit_seconds = 0;   // rank 0: comparison of replicas, manifest, sync, rename
  std::size_t rank0_bytes = 0;
  Traffic traffic;
  std::string failure;  // empty: it is committed
};

/// `count` saves in a row of the steps from `first_step` on, in the run directory `root`.
std::vector<MeasuredSave> save(const Path& root, int ranks, std::int64_t first_step, int count);

struct MeasuredResume {
  std::int64_t step = -1;    // that was restored
  int ranks_that_agree = 0;  // and hold the state of that step
  double rank0_seconds = 0;  // of its own work
  double other_seconds = 0;  // likewise, rank 1
  std::size_t rank0_bytes = 0;
  Traffic traffic;
};

/// Of `ranks` as many as `real` run; the others stand for ones that do as the last of those.
MeasuredResume resume(const Path& root, int ranks, int real);

std::vector<Figure> measure_saves(const ScaleTask& task);

}  // namespace holdfast
