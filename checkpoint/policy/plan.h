// What a run of a configuration will do, step by step, as far as it is known before it starts. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "options/run_options.h"
#include "options/steps.h"

namespace holdfast {

struct Plan {
  EpochShape epoch;                                            // samples, batches and updates of one
  std::int64_t last_step = 0;                                  // updates of the whole run
  std::int64_t batches = 0;                                    // likewise
  double epochs = 0;                                           // likewise
  std::vector<std::int64_t> validations;                       // the steps after which there is one
  std::map<std::string, std::vector<std::int64_t>> asks;       // by entry: the steps after which it asks for a save
  std::vector<std::int64_t> saves;                             // of any entry; by the clock and by signals there may be more
  std::int64_t most_states = 0;                                // on disk at one time, with the one that is being written
  std::int64_t most_weights = 0;                               // likewise, of weights alone
  std::set<std::string> state_transforms, weights_transforms;  // copies that either may hold
};

/// `dataset_samples`: of the training data. Throws ConfigError where the run would be refused when it starts.
Plan plan_run(Configuration configuration, std::int64_t dataset_samples);

/// "500, 1000, … (every 500), 2000, 2030": steps in one line.
std::string steps_text(const std::vector<std::int64_t>& steps);

}  // namespace holdfast
