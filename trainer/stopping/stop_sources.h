// Why a rank wants the run to stop: a signal (any rank), or what concerns the whole run and rank 0 looks after: trainer.max_time, the end
// of the job, a file named `stop` in the run directory. It only says so; the vote decides. Training thread only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"

namespace holdfast {

/// A time by which the run has to have saved and ended.
struct Deadline {
  double unix_seconds = 0;
  double least_margin_seconds = 0;  // the stop is asked for this long before, or earlier
  std::string what;                 // "the job ends", "trainer.max_time is over"
};

class StopSources {
 public:
  struct Reason {
    std::string text;
    bool is_of_run = false;  // not of one rank alone: the run is not to be started again by its supervisor
  };
  /// `deadlines` and `stop_file` on rank 0 alone: other ranks have none, and an empty path.
  StopSources(const Clock& clock, FileSystem& files, Path stop_file, std::vector<Deadline> deadlines)
      : clock_(clock), files_(files), stop_file_(std::move(stop_file)), deadlines_(std::move(deadlines)) {}

  /// `needed_seconds`: what an update and a save have been seen to take. Looks for the file once a second at most. Whoever has had a reason
  /// keeps it.
  const std::optional<Reason>& reason(double needed_seconds);
  /// Whether there is a stop file now: one that came just before the run stopped for something else is obeyed by the same stop.
  bool is_stop_file_there() const;
  /// The stop has been obeyed: the next start is not to stop at once.
  void obeyed();

 private:
  std::optional<Reason> look(double needed_seconds);
  bool is_stop_file_due();
  const Clock& clock_;
  FileSystem& files_;
  Path stop_file_;
  std::vector<Deadline> deadlines_;
  std::optional<Reason> reason_;
  double looked_at_ = -1;
};

}  // namespace holdfast
