// What the shims say of the ranks of an attempt, put together: how far they are, where their time goes, who is slow, who hangs. Knows no
// socket; the time is passed in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "launch/shim/exit_record.h"
#include "launch/watch/attempt_times.h"
#include "launch/watch/hang_watch.h"
#include "launch/watch/stragglers.h"
#include "options/run_options.h"

namespace holdfast {

class RankWatch {
 public:
  explicit RankWatch(const RestartOptions& options) : stragglers_(options.straggler_factor), hangs_(options.hang) {}

  /// An attempt is decided upon; its time begins.
  void begin_times(double now) { times_.begin(now); }
  /// Its ranks are about to be started.
  void begin(int ranks, double now);

  /// The shim's messages. They throw nlohmann's exception at rubbish.
  void take_status(int rank, const nlohmann::json& status, double now);
  std::vector<StragglerFinding> take_times(int rank, const nlohmann::json& message, double now);
  void take_end(const ExitRecord& record, double now);

  /// To be called with every tick, before the messages that have come: after a pause of a second or more the caller was not running, and
  /// knows nothing of that time.
  void awake(double now);
  /// A hang that is there, once an attempt.
  std::optional<Hang> check(double now);

  /// The furthest completed update of any rank.
  std::int64_t reached_step() const { return reached_step_; }
  /// Of all ranks, for the journal; the attempt is over.
  nlohmann::json times(double now) { return times_.take(now); }
  std::string host_of(int rank) const { return times_.host_of(rank); }

 private:
  AttemptTimes times_;
  Stragglers stragglers_;
  HangWatch hangs_;
  std::optional<double> awake_at_;
  bool has_hung_ = false;
  std::int64_t reached_step_ = 0;
};

}  // namespace holdfast
