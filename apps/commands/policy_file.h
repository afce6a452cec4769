// The policy that decides over checkpoints: `checkpoints:` and the grid of validations, in a file or in a manifest.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "options/run_options.h"

namespace holdfast {

struct PolicyFile {
  std::vector<CheckpointOptions> checkpoints;
  ValidationOptions validation;
  void describe(FieldVisitor& visitor);
};

/// A whole configuration, or a file with these two alone. Throws ConfigError.
PolicyFile read_policy(const std::string& path);
/// Of the resolved configuration in a manifest. `where` for messages. Throws ConfigError.
std::vector<CheckpointOptions> policy_of(const nlohmann::json& options, const std::string& where);

}  // namespace holdfast
