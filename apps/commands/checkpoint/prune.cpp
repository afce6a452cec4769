// `holdfast ckpt prune`: removes states that nothing keeps, and says why.
#include "checkpoint/store/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/changing.h"
#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/checkpoint/progress_line.h"
#include "apps/commands/policy_file.h"
#include "base/error.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;
using nlohmann::json;

PruneSelection selection_of(const CheckpointArguments& arguments) {
  PruneSelection selection;
  const auto refuse = [](const std::string& text) {
    throw UsageError(fmt::format("holdfast ckpt prune: {}\n  next: holdfast ckpt --help", text));
  };
  for (const auto& [option, value] : {std::pair("keep-last", &selection.keep_last), std::pair("keep-every", &selection.keep_every)}) {
    if (!arguments.has(option)) continue;
    *value = arguments.get<std::int64_t>(option);
    if (**value < 1) refuse(fmt::format("--{}: expected 1 or more, found {}", option, **value));
  }
  if (arguments.has("keep")) selection.keep = arguments.get<std::vector<std::int64_t>>("keep");
  if (arguments.has("policy") && !selection.is_by_policy()) refuse("--policy and --keep… both say what stays: give one of them");
  if (arguments.has("policy")) selection.policy = read_policy(arguments.get<std::string>("policy")).checkpoints;
  return selection;
}

/// That of the run, as it stands in the manifest that tells what was decided.
std::vector<CheckpointOptions> own_policy(const Inventory& inventory) {
  for (const StoredState& state : inventory.states)
    if (state.name == inventory.source && state.manifest) return policy_of(state.manifest->options, (state.path / kManifestName).string());
  return {};
}

/// Nothing is removed on the word of a state that could not be restored itself.
void require_sound(FileSystem& files, const Path& checkpoint) {
  ProgressLine line(checkpoint.string());
  const std::vector<Finding> findings =
      verify_checkpoint(files, checkpoint, [&](std::uint64_t done, std::uint64_t total) { line.show(done, total); });
  if (!findings.empty())
    throw CorruptCheckpoint(ErrorText{.attempted = "prune " + checkpoint.parent_path().string(),
                                      .expected = "a newest checkpoint that is sound",
                                      .found = findings.front().text,
                                      .next = "nothing was removed; start the run, which sets it aside and goes on from the one before"});
}

void print_json(const Inventory& inventory, const std::vector<PruneDecision>& plan, bool is_dry) {
  json rows = json::array();
  for (std::size_t i = 0; i < plan.size(); ++i)
    rows.push_back({{"path", inventory.states[i].path.string()},
                    {"step", plan[i].state.step},
                    {"bytes", inventory.states[i].bytes},
                    {"goes", plan[i].goes},
                    {"why", plan[i].why}});
  fmt::print("{}\n", json{{"is_dry_run", is_dry}, {"checkpoints", std::move(rows)}}.dump(2));
}

void print_text(const Inventory& inventory, const std::vector<PruneDecision>& plan, bool is_dry) {
  std::size_t going = 0, width = 0;
  std::uint64_t bytes = 0;
  for (const PruneDecision& decision : plan) width = std::max(width, directory_name(decision.state).size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    fmt::print("  {:<{}}  {:<5}  {:>12}  {}\n", directory_name(plan[i].state), width, plan[i].goes ? "goes" : "stays",
               inventory.states[i].bytes, plan[i].why);
    going += plan[i].goes;
    if (plan[i].goes) bytes += inventory.states[i].bytes;
  }
  fmt::print("{} {} of {} checkpoints, {} bytes{}\n", is_dry ? "would remove" : "removed", going, plan.size(), bytes,
             is_dry ? " (dry run: nothing was touched)" : "");
}

}  // namespace

int prune_checkpoints_command(const Words& words) {
  po::options_description options;
  options.add_options()("dry-run", "")("json", "")("policy", po::value<std::string>())("keep-last", po::value<std::int64_t>())(
      "keep-every", po::value<std::int64_t>())("keep", po::value<std::vector<std::int64_t>>());
  const CheckpointArguments arguments("prune", words, 1, options);
  PruneSelection selection = selection_of(arguments);
  const auto files = make_posix_file_system();
  const Path directory = directory_to_change(*files, arguments.path(), "prune");
  const bool is_dry = arguments.has("dry-run");
  const auto lock = is_dry ? nullptr : lock_against_training(*files, arguments.path(), "prune");
  const Inventory inventory = take_inventory(*files, directory);
  if (!arguments.has("policy")) selection.policy = own_policy(inventory);
  const std::vector<PruneDecision> plan = plan_prune(inventory, selection);
  const bool removes = !is_dry && std::any_of(plan.begin(), plan.end(), [](const PruneDecision& decision) { return decision.goes; });
  if (removes) {
    for (const Path& checkpoint : relied_on(inventory)) require_sound(*files, checkpoint);
    prune(*files, directory, plan);
  }
  arguments.has("json") ? print_json(inventory, plan, is_dry) : print_text(inventory, plan, is_dry);
  return kExitOk;
}

}  // namespace holdfast
