// Where the time of an attempt's ranks went, from its start until its processes are all gone: what each says of itself, between two moments
// that the supervisor's clock saw. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/time_record.h"

namespace holdfast {

class AttemptTimes {
 public:
  void begin(double now);
  /// A rank's times arrive, which were read a moment ago.
  void heard(int rank, const std::string& host, const TimeRecord& times, double now);
  /// Empty: it has said nothing yet.
  std::string host_of(int rank) const;
  /// The rank's process has ended; a rank that is lost without a word ended when it was heard last.
  void ended(int rank, double now);
  /// One object a rank, for the journal: rank, host, launch_seconds (from the attempt's start until the rank began), times, after_seconds
  /// (from the rank's end until now). Ranks that never said anything are not there.
  nlohmann::json take(double now);

 private:
  struct Rank {
    std::string host;
    double began_at = 0;  // the earliest that a message allows: what it took to arrive is left out
    double heard_at = 0;
    std::optional<double> ended_at;
    TimeRecord times;
  };
  double begin_ = 0;
  std::map<int, Rank> ranks_;
};

}  // namespace holdfast
