// load_configuration: the fields one by one (read.cpp), then what concerns several of them.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "options/duration.h"
#include "options/metric_name.h"
#include "options/read.h"
#include "options/refusal.h"
#include "options/run_options.h"

namespace holdfast {
namespace {

// Says where the values stand that do not go together.
class CrossChecks {
 public:
  CrossChecks(const OptionTree& tree, const Configuration& configuration) : tree_(tree), configuration_(configuration) {}

  void run() const {
    check_task();
    check_end();
    check_max_time();
    check_optimizers();
    check_validation();
    require_consistent(configuration_.precision, tree_);
    require_consistent_schedules(configuration_, tree_);
    require_consistent_transforms(configuration_, tree_);
    require_consistent(configuration_.checkpoints, tree_);
    if (!is_ever_due(configuration_.validation)) {
      require_measured(configuration_.checkpoints, tree_, {kTrainLoss});
      require_measured(configuration_.schedules, tree_, {kTrainLoss});
    }
    if (configuration_.resume.empty()) refuse("resume", {.expected = "auto, none or a checkpoint directory", .found = "an empty text"});
    if (configuration_.init_from && configuration_.resume != "auto" && configuration_.resume != "none")
      refuse("init_from", {.cause = "a run starts either from the weights of init_from or from the checkpoint of resume",
                           .next = "remove one of the two"});
  }

 private:
  [[noreturn]] void refuse(const std::string& path, ErrorText text) const { refuse_at(tree_, path, std::move(text)); }

  void check_task() const {
    if (configuration_.task.name.empty())
      refuse("task", {.expected = "a name", .found = "none", .next = "name a task, built in or of a plugin: `task: {name: mlp}`"});
    if (configuration_.data.name.empty())
      refuse("data", {.expected = "a name", .found = "none", .next = "name a source: `data: {name: idx}`"});
  }

  void check_max_time() const {
    const std::string& text = configuration_.trainer.max_time;
    if (!text.empty() && !duration_from(text))
      refuse("trainer.max_time", {.expected = "a time such as 3h30m, 00:12:00:00 (days to seconds) or 5400 (seconds), above 0",
                                  .found = fmt::format("'{}'", text)});
  }

  void check_end() const {
    if (configuration_.trainer.max_steps || configuration_.trainer.max_epochs) return;
    refuse(
        "trainer",
        {.expected = "max_steps or max_epochs", .found = "neither: the run would not end", .next = "add one, for example `max_epochs: 1`"});
  }

  void check_optimizers() const {
    if (configuration_.optimizers.empty())
      refuse("optimizers",
             {.expected = "at least one optimizer", .found = "none", .next = "add one: `optimizers: {main: {type: adamw, lr: 1e-3}}`"});
    std::string takes_the_rest;
    for (const auto& [name, optimizer] : configuration_.optimizers) {
      const std::string path = "optimizers." + name;
      check_kind(path, optimizer);
      if (!optimizer.parameters.empty()) continue;
      if (!takes_the_rest.empty())
        refuse(path + ".parameters", {.expected = "prefixes of parameter names",
                                      .found = "none, as in " + takes_the_rest,
                                      .cause = "only one optimizer can take all parameters that are left"});
      takes_the_rest = path;
    }
  }

  void check_kind(const std::string& path, const OptimizerOptions& optimizer) const {
    const OptimizerOptions defaults;
    if (optimizer.betas.size() != 2)
      refuse(path + ".betas", {.expected = "two numbers", .found = fmt::format("{}", optimizer.betas.size())});
    const bool is_sgd = optimizer.type == OptimizerKind::sgd;
    const KeysOfTypes keys(tree_, path, is_sgd ? "sgd" : "adamw");
    keys.require_owner("momentum", optimizer.momentum != defaults.momentum, {"sgd"});
    keys.require_owner("nesterov", optimizer.nesterov != defaults.nesterov, {"sgd"});
    keys.require_owner("betas", optimizer.betas != defaults.betas, {"adamw"});
    keys.require_owner("eps", optimizer.eps != defaults.eps, {"adamw"});
    if (optimizer.nesterov && optimizer.momentum == 0)
      refuse(path + ".nesterov", {.expected = "momentum above 0 with nesterov", .found = "momentum 0"});
  }

  void check_validation() const {
    const std::optional<double>& every = configuration_.validation.every_steps;
    if (every && *every >= 1 && *every != std::floor(*every))
      refuse("validation.every_steps",
             {.expected = "a whole number, or a fraction of the run below 1", .found = fmt::format("{}", *every)});
  }

  const OptionTree& tree_;
  const Configuration& configuration_;
};

}  // namespace

void require_utf8(const Configuration& configuration) {
  using nlohmann::json;
  const auto legible = [](const json& text) { return text.dump(-1, ' ', false, json::error_handler_t::replace); };
  const auto is_utf8 = [](const json& text) {
    try {
      return !text.dump().empty();
    } catch (const json::type_error&) {
      return false;
    }
  };
  const json options = to_json(configuration).flatten();
  for (const auto& [path, value] : options.items())
    if (!is_utf8(path) || !is_utf8(value))
      throw ConfigError(ErrorText{.attempted = "take the option " + legible(path),
                                  .expected = "text in UTF-8",
                                  .found = legible(value),
                                  .cause = "the manifest of a checkpoint can hold no other",
                                  .next = "give it another name"});
}

Configuration load_configuration(const std::string& path, const std::vector<std::string>& overrides) {
  return configuration_from(OptionTree::from_file(path, overrides), path);
}

Configuration configuration_from(const OptionTree& tree, const std::string& path) {
  Configuration configuration;
  configuration.file = path;
  configuration.tree = tree;
  read_options(tree, configuration);
  if (!tree.has("checkpoints")) configuration.checkpoints.push_back({.every_epochs = 1});
  CrossChecks(tree, configuration).run();
  note_measured_weights(configuration.checkpoints, configuration.validation);
  if (configuration.run.name.empty()) configuration.run.name = std::filesystem::path(path).stem().string();
  if (configuration.run.directory.empty()) configuration.run.directory = "runs/" + configuration.run.name;
  require_utf8(configuration);
  return configuration;
}

}  // namespace holdfast
