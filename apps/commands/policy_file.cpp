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
  note_measured_weights(policy.checkpoints, policy.validation);
  return policy;
}

std::vector<CheckpointOptions> policy_of(const nlohmann::json& options, const std::string& where) {
  nlohmann::json known = nlohmann::json::object();
  for (const char* key : {"checkpoints", "validation"})
    if (options.is_object() && options.contains(key)) known[key] = options[key];
  PolicyFile policy;
  read_options(OptionTree::from_text(known.dump(), where), policy);  // JSON is YAML
  note_measured_weights(policy.checkpoints, policy.validation);
  return policy.checkpoints;
}

}  // namespace holdfast
