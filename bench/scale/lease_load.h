// The supervisor's connections with many shims: real sockets over the loopback interface, the real Leases and RankWatch in the order of the
// supervisor's loop, and another process that plays the shims.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/scale/figure.h"

namespace holdfast {

struct LeaseLoad {
  double join_seconds = 0;         // until every shim has been welcomed
  double core_share = 0;           // of one core, that the loop takes while the shims speak
  double core_seconds_a_word = 0;  // that, for each of their words
  double longest_loop = 0;         // seconds of one turn of the loop then
  double told_seconds = 0;         // to tell all of them something
  double words_a_second = 0;       // that were taken
  double expected_words = 0;       // that there would be a second, if the process that plays the shims kept up
};

/// nullopt: this process may not have so many open files; `why` says so.
std::optional<LeaseLoad> load_leases(int ranks, double seconds, std::string& why);

std::vector<Figure> measure_leases(const ScaleTask& task);

}  // namespace holdfast
