// Whether all pairs of ranks can talk, and how fast: for `holdfast doctor`, before anything is trained.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dist/communicator.h"

namespace holdfast {

struct MeasuredPair {
  int peer = 0;
  double latency_seconds = 0;  // one way, of the shortest message
  double bytes_per_second = 0;
};

/// Whom `rank` meets in `round` (0, 1, … below meeting_rounds(size)), so that in all rounds together everybody meets everybody once; -1:
/// nobody. Pure.
int partner_in(int round, int rank, int size);
int meeting_rounds(int size);

/// Collective over MPI_COMM_WORLD, which `ranks` has initialised; blocks. Each pair exchanges messages alone, the pairs of a round at the
/// same time. `about_to(peer)` is called before and `measured` after each, the latter on the lower rank alone. After `seconds` no further
/// round begins. Throws PeerLost.
void measure_pairs(Communicator& ranks, double seconds, const std::function<void(int peer)>& about_to,
                   const std::function<void(const MeasuredPair&)>& measured);

}  // namespace holdfast
