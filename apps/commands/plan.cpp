#include "apps/commands/plan.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/command_line/parse.h"
#include "apps/commands/trainer_program.h"
#include "base/bytes_text.h"
#include "base/error.h"
#include "base/exit_code.h"
#include "checkpoint/policy/plan.h"

namespace holdfast {
namespace {

using nlohmann::json;

/// Of a directory with those copies in it: what all ranks share, what each has for itself.
struct Bytes {
  std::int64_t shared = 0, per_rank = 0;
};

Bytes bytes_of(const json& sizes, const json& content, const std::set<std::string>& transforms) {
  Bytes bytes{content["replicated_bytes"], content["per_rank_bytes"]};
  for (const std::string& name : transforms) {
    bytes.shared += sizes["transforms"][name]["replicated_bytes"].get<std::int64_t>();
    bytes.per_rank += sizes["transforms"][name]["per_rank_bytes"].get<std::int64_t>();
  }
  return bytes;
}

json to_json(const Plan& plan, const json& sizes) {
  const Bytes state = bytes_of(sizes, sizes, plan.state_transforms), weights = bytes_of(sizes, sizes["weights"], plan.weights_transforms);
  return {{"samples_per_epoch", plan.epoch.samples},
          {"batches_per_epoch", plan.epoch.batches},
          {"updates_per_epoch", plan.epoch.updates},
          {"total_steps", plan.last_step},
          {"total_batches", plan.batches},
          {"epochs", plan.epochs},
          {"validations", plan.validations},
          {"entries", plan.asks},
          {"saves", plan.saves},
          {"parameters", sizes["parameters"]},
          {"tensors", sizes["tensors"]},
          {"bytes_per_checkpoint", state.shared},
          {"bytes_per_checkpoint_and_rank", state.per_rank},
          {"most_states", plan.most_states},
          {"bytes_per_weights", weights.shared},
          {"bytes_per_weights_and_rank", weights.per_rank},
          {"most_weights", plan.most_weights},
          {"most_bytes", plan.most_states * state.shared + plan.most_weights * weights.shared}};
}

void print(const Plan& plan, const json& facts) {
  const auto line = [](std::string_view what, const std::string& text) { fmt::print("  {:<16} {}\n", what, text); };
  line("an epoch", fmt::format("{} samples, {} batches, {} updates", plan.epoch.samples, plan.epoch.batches, plan.epoch.updates));
  line("the run", fmt::format("{} updates, {} batches, {:.6g} epochs", plan.last_step, plan.batches, plan.epochs));
  line("validations", fmt::format("after update {}", steps_text(plan.validations)));
  for (const auto& [entry, steps] : plan.asks) line("saves: " + entry, fmt::format("after update {}", steps_text(steps)));
  line("the model", fmt::format("{} parameters", facts["parameters"].get<std::int64_t>()));
  line("a checkpoint", fmt::format("{}, and {} for each rank", bytes_text(facts["bytes_per_checkpoint"].get<double>()),
                                   bytes_text(facts["bytes_per_checkpoint_and_rank"].get<double>())));
  if (plan.most_weights > 0)
    line("weights alone", fmt::format("{}, and {} for each rank", bytes_text(facts["bytes_per_weights"].get<double>()),
                                      bytes_text(facts["bytes_per_weights_and_rank"].get<double>())));
  line("at most", fmt::format("{} states{}, {}, at one time", plan.most_states,
                              plan.most_weights > 0 ? fmt::format(" and {} weights alone", plan.most_weights) : "",
                              bytes_text(facts["most_bytes"].get<double>())));
}

}  // namespace

nlohmann::json plan_facts(const Configuration& configuration, const nlohmann::json& sizes) {
  return to_json(plan_run(configuration, sizes["training_samples"].get<std::int64_t>()), sizes);
}

int plan_command(const std::string& config, const std::vector<std::string>& overrides, bool wants_json,
                 const std::filesystem::path& trainer) {
  const Configuration configuration = load_configuration(config, overrides);
  std::vector<std::string> arguments = {"--describe", config};
  add_overrides(arguments, overrides);
  const TrainerAnswer answer = ask_trainer(trainer, arguments);
  if (answer.exit_code != kExitOk) return answer.exit_code;
  const json sizes = json::parse(answer.output, nullptr, /*allow_exceptions=*/false);
  if (!sizes.is_object())
    throw Error(to_string({.attempted = fmt::format("ask {} for the sizes of the run", trainer.string()),
                           .expected = "one JSON object",
                           .found = answer.output.substr(0, 200),
                           .next = "use the holdfast-train of the same version"}),
                kExitSoftware);
  const Plan plan = plan_run(configuration, sizes["training_samples"].get<std::int64_t>());
  const json facts = to_json(plan, sizes);
  if (wants_json)
    fmt::print("{}\n", facts.dump(2));
  else
    print(plan, facts);
  return kExitOk;
}

}  // namespace holdfast
