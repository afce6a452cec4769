// Whether all pairs of ranks can talk, and how fast: for `holdfast doctor`, before anything is trained.
#pragma once

#include <functional>
#include <string>
#include <vector>

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

/// The ranks that mpirun has started, as they are: no collective is called before all pairs have met, so that two who do not hear each
/// other are those that wait. One for each process; single-threaded.
class PairProbe {
 public:
  /// Initialises MPI. Throws PeerLost.
  PairProbe();
  PairProbe(const PairProbe&) = delete;
  PairProbe& operator=(const PairProbe&) = delete;

  int rank() const { return rank_; }
  /// Finalises MPI: waits for the others.
  void close();
  /// Blocks. Each pair exchanges messages alone, the pairs of a round at the same time; of very many ranks each meets 255 others.
  /// `about_to(peer)` is called before each pair, and with -1 when none is left; `measured` after it, on the lower rank alone. After
  /// `seconds` ranks only greet each other. Returns when all have come to the end. Throws PeerLost.
  void measure(double seconds, const std::function<void(int peer)>& about_to, const std::function<void(const MeasuredPair&)>& measured);

 private:
  int rank_ = 0, size_ = 1;
};

}  // namespace holdfast
