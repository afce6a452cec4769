// The processes of the next attempt, started ahead (restart.standby): they have loaded their libraries, built the model and initialised
// MPI, and sleep in the hands of their shims until the attempt before is over. Those that end are replaced. One thread.
#pragma once

#include <poll.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "launch/attempt/attempt_processes.h"
#include "launch/hosts/placement.h"
#include "launch/timer.h"

namespace holdfast {

class Standby {
 public:
  struct Handlers {
    /// Starts the processes of `attempt`. The first to end calls for all to be ended.
    std::function<AttemptProcesses(int attempt, Leases::Handlers handlers)> start;
    std::function<void(const std::string& event, nlohmann::json fields)> journal;
  };
  Standby(const Clock& clock, Handlers handlers) : clock_(clock), handlers_(std::move(handlers)) {}
  ~Standby() { end_now(); }
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;

  /// Somebody is to stand by for `attempt`, which `ranks` ranks at `placement` will make: the one before has begun to train.
  void want(int attempt, int ranks, const Placement& placement);
  /// Nobody is to. What there is is told to end.
  void unwant();
  /// Likewise, and blocks until it is gone.
  void end_now();
  bool is_ready(int attempt, int ranks, const Placement& placement) const;
  /// Those that are ready: theirs is the attempt now, and `reached_step` what earlier ones have computed. Collective end of their sleep.
  AttemptProcesses promote(std::int64_t reached_step);

  void add_to(std::vector<pollfd>& waiting) const;
  /// To be called as often as the attempt's own ranks are told that somebody is there.
  void ping();
  /// Messages and moments that have come.
  void tick();
  /// To be told of every child that was reaped, or was stopped by somebody.
  void reaped(pid_t pid);
  void stopped(pid_t pid) const;

 private:
  void take_message(int rank, const nlohmann::json& message);
  void start();
  void lose(const std::string& why);
  void try_again_later(const std::string& why);
  bool is_gone();

  const Clock& clock_;
  Handlers handlers_;
  AttemptProcesses processes_;  // none: launcher == 0 and no leases
  int attempt_ = 0, ranks_ = 0;
  Placement placement_;
  bool is_wanted_ = false, is_ending_ = false;
  std::map<int, std::int64_t> ready_;  // rank to its private bytes
  double started_at_ = 0, next_look_ = 0;
  int losses_ = 0;  // in a row
  Timer start_timer_, ready_timer_;
};

}  // namespace holdfast
