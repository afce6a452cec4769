// Many ranks in one process and one thread: each has a stack of its own and runs the real code until its next collective; then the next
// rank runs. When all have come to the same collective, the first goes on. No rank waits in real time, so the time between two collectives
// is that of one rank's own work. The messages that MPI would send are counted by the model of traffic.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/scale/traffic.h"
#include "dist/communicator.h"

namespace holdfast {

class SimulatedRanks {
 public:
  /// `real` of the `size` ranks run, from rank 0 on; each of the others stands for another one like the last of them: it gives what that
  /// gives to votes and gathers, and never has anything to broadcast. All of them: nothing is left out.
  SimulatedRanks(int size, int real);
  ~SimulatedRanks();
  SimulatedRanks(const SimulatedRanks&) = delete;
  SimulatedRanks& operator=(const SimulatedRanks&) = delete;

  /// Runs `body` on every real rank, to its end. Throws what the first rank throws that throws anything, after the others have got PeerLost
  /// from their next collective; std::logic_error when ranks come to different collectives, in which MPI would hang.
  void run(const std::function<void(Communicator& self)>& body);

  /// By collective: "vote", "broadcast", "gather", "barrier".
  const std::map<std::string, Traffic>& traffic() const { return traffic_; }
  Traffic total() const;
  void forget_traffic() { traffic_.clear(); }
  /// How long a rank has run since it was made, without what it waited for others.
  double seconds_of(int rank) const;
  /// Told when a rank begins to run (true) and when it stops: for who counts what it does.
  void on_switch(std::function<void(int rank, bool is_running)> hook) { hook_ = std::move(hook); }

 private:
  class Rank;
  struct Meeting;
  void resume(Rank& rank);

  int size_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::unique_ptr<Meeting> meetings_[2];  // of one collective, and of the next, which the first ranks may have come to
  std::map<std::string, Traffic> traffic_;
  std::function<void(int, bool)> hook_;
  bool is_over_ = false;  // a rank has failed
};

}  // namespace holdfast
