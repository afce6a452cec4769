// The supervisor's mind with many ranks: the pure state machine through whole attempts, the journal that it has written, and what the next
// supervisor makes of that journal. No process, no socket.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "bench/scale/figure.h"
#include "launch/supervision.h"

namespace holdfast {

/// How the attempt ends.
enum class Ending {
  killed,  // one rank by a signal; the supervisor has the others killed
  cut,     // one rank by a signal; all others say that a peer is lost before they hear of anything
  hung,    // one rank does not get on, all others wait for it
  stuck,   // all are inside the same collective, and it does not end
  done,
};
inline constexpr Ending kEndings[] = {Ending::killed, Ending::cut, Ending::hung, Ending::stuck, Ending::done};
const char* name_of(Ending ending);

/// What happens from the start of an attempt to its end, in the order in which a supervisor is told of it.
std::vector<Event> events_of(Ending ending, int ranks);

/// A supervision that is told events and writes down what it wants written down, as the supervisor does.
class Attempts {
 public:
  Attempts(const Path& journal, int ranks);
  /// An attempt from its start to its end, with times of every rank.
  void run(Ending ending);

  const Supervision& supervision() const { return supervision_; }
  double machine_seconds() const { return machine_seconds_; }  // in Supervision::on alone
  double journal_seconds() const { return journal_seconds_; }
  int lines() const { return lines_; }
  int synced_lines() const { return synced_lines_; }  // those that something waits for
  double slowest_event_seconds() const { return slowest_event_seconds_; }

 private:
  void write(const action::Journal& line);
  int ranks_;
  Path journal_;
  Supervision supervision_;
  double machine_seconds_ = 0, journal_seconds_ = 0, slowest_event_seconds_ = 0;
  int lines_ = 0, synced_lines_ = 0;
};

std::vector<Figure> measure_attempts(const ScaleTask& task);

}  // namespace holdfast
