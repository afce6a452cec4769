// What a part of the benchmark has found at one number of ranks: seconds of each repetition, and facts beside them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace holdfast {

struct Figure {
  std::string way;
  int ranks = 0;
  std::vector<double> seconds;
  nlohmann::json facts = nlohmann::json::object();
};

/// How long `work` takes.
template <class Work>
double seconds_of(const Work& work) {
  const SystemClock clock;
  const double start = clock.seconds();
  work();
  return clock.seconds() - start;
}

/// What a part is asked to do.
struct ScaleTask {
  int ranks = 2;
  int repeat = 3;
  std::string directory;  // on a disk: what is synced there takes the time that it takes
};

}  // namespace holdfast
