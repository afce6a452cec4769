// What a person sees of a run: a bar where stdout is a terminal, plain lines otherwise; and the figures that the shim reads.
// Rank 0 prints. Time is the caller's clock.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/heartbeat.h"

namespace holdfast {

class Progress {
 public:
  enum class Style { none, lines, bar };
  /// `heartbeat` may be null.
  Progress(const Clock& clock, Heartbeat* heartbeat, Style style, std::int64_t first_step, std::int64_t last_step);
  /// After every update: cheap. Redraws the bar at most ten times a second.
  void update(std::int64_t step, std::int64_t samples, double loss);
  /// Rates since the last call of this method, for a line of metrics.
  struct Rates {
    double steps_per_second = 0, samples_per_second = 0;
  };
  Rates take_rates();
  /// Prints a line; the bar stays below it.
  void print(const std::string& line);
  /// Takes the bar away.
  void finish();

 private:
  void draw(double now);
  const Clock& clock_;
  Heartbeat* heartbeat_;
  Style style_;
  std::int64_t step_, last_step_;
  double loss_ = 0;
  double drawn_at_ = 0;
  double window_start_;
  std::int64_t window_steps_ = 0, window_samples_ = 0;
  Rates shown_;
  double shown_since_;
  std::int64_t shown_steps_ = 0, shown_samples_ = 0;
};

/// True when what rank 0 prints ends on a terminal. Under mpirun a rank's own stdout is a pseudo-terminal whatever mpirun's
/// is, so mpirun's is looked at where it is the parent.
bool is_stdout_a_terminal();

}  // namespace holdfast
