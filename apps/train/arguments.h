// The command line of holdfast-train.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/injection.h"

namespace holdfast {

struct TrainArguments {
  std::string config;     // may be empty where `evaluated` is not
  std::string evaluated;  // a checkpoint, or a run directory; empty: it trains
  std::optional<std::string> run_directory;
  std::vector<std::string> overrides;
  std::vector<Injection> injections;
  std::string probe;  // what it tells `holdfast doctor` instead of training: versions, pairs:SECONDS; empty: it trains
  bool is_check_only = false;
  bool is_describe_only = false;
};

/// nullopt when --help or --version has been answered. Throws UsageError.
std::optional<TrainArguments> parse_train_arguments(int argc, char** argv);

}  // namespace holdfast
