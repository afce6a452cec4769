// The whole examination: starts agents on the hosts and ranks on top of them, asks, waits no longer than it may, and puts together what
// came back. What it means is said elsewhere (judge.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "launch/doctor/facts.h"
#include "launch/doctor/programs.h"

namespace holdfast {

struct ExaminationOptions {
  int ranks = 1;
  Programs programs;
  Path run_directory;
  std::vector<std::string> describe = {};  // words for the trainer that make it print the sizes of the run; empty: not asked
  std::function<void(const nlohmann::json& sizes, JobFacts& job)> take_sizes = {};
  std::optional<std::int64_t> threads = {};  // of a rank
  bool is_on_cpu = false;                    // run.device: cpu
};

struct Examination {
  std::vector<HostFacts> hosts;
  PairsFacts pairs;
  JobFacts job;
  std::string job_error;  // why the sizes of the run are not known
  double seconds = 0;
};

/// Blocks, up to 20 seconds or so. Throws Error where this host itself cannot do it (no port, no memory for files).
Examination examine(const ExaminationOptions& options);

}  // namespace holdfast
