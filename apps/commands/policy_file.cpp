#include "apps/commands/policy_file.h"

#include <nlohmann/json.hpp>

#include "options/read.h"

namespace holdfast {

void PolicyFile::describe(FieldVisitor& visitor) {
  visitor.list({.name = "checkpoints"}, checkpoints);
  visitor.section({.name = "validation"}, validation);
}

PolicyFile read_policy(const std::string& path) {
  const OptionTree tree = OptionTree::from_file(path);
  if (tree.has("task")) {
    const Configuration configuration = load_configuration(path);
    return {configuration.checkpoints, configuration.validation};
  }
  PolicyFile policy;
  read_options(tree, policy);
  return policy;
}

std::vector<CheckpointOptions> policy_of(const nlohmann::json& options, const std::string& where) {
  const nlohmann::json entries = options.is_object() ? options.value("checkpoints", nlohmann::json::array()) : nlohmann::json::array();
  PolicyFile policy;
  read_options(OptionTree::from_text(nlohmann::json{{"checkpoints", entries}}.dump(), where), policy);  // JSON is YAML
  return policy.checkpoints;
}

}  // namespace holdfast
