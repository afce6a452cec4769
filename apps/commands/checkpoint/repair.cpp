// `holdfast ckpt repair`: removes what was never committed, and makes names and `last` again.
#include "checkpoint/store/repair.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/commands/checkpoint/arguments.h"
#include "apps/commands/checkpoint/changing.h"
#include "apps/commands/checkpoint/commands.h"
#include "base/exit_code.h"

namespace holdfast {
namespace {

using nlohmann::json;

void print_json(const RepairPlan& plan, bool is_dry) {
  json names = json::array();
  for (const NameLink& link : plan.names) names.push_back({{"name", link.path}, {"target", link.target}});
  fmt::print("{}\n", json{{"is_dry_run", is_dry},
                          {"leftovers", plan.leftovers},
                          {"removed_names", plan.wrong_names},
                          {"names", std::move(names)},
                          {"last", plan.last ? json(plan.last->target) : json()},
                          {"notes", plan.notes}}
                         .dump(2));
}

void print_text(const RepairPlan& plan, bool is_dry) {
  for (const std::string& note : plan.notes) fmt::print("note: {}\n", note);
  const char* const removed = is_dry ? "would remove" : "removed";
  const char* const made = is_dry ? "would make" : "made";
  for (const std::string& path : plan.leftovers) fmt::print("{} {}, which was never committed or is half removed\n", removed, path);
  for (const std::string& path : plan.wrong_names) fmt::print("{} the name {}: what it names is not kept\n", removed, path);
  for (const NameLink& link : plan.names) fmt::print("{} {} -> {}\n", made, link.path, link.target);
  if (plan.last && plan.last->target.empty()) fmt::print("{} {}: there is no checkpoint\n", removed, plan.last->path);
  if (plan.last && !plan.last->target.empty()) fmt::print("{} {} -> {}\n", made, plan.last->path, plan.last->target);
  if (plan.is_empty()) fmt::print("nothing to repair\n");
  if (is_dry) fmt::print("(dry run: nothing was touched; what a run writes just now is listed, too)\n");
}

}  // namespace

int repair_checkpoints_command(const Words& words) {
  boost::program_options::options_description options;
  options.add_options()("dry-run", "")("json", "");
  const CheckpointArguments arguments("repair", words, 1, options);
  const auto files = make_posix_file_system();
  const Path directory = directory_to_change(*files, arguments.path(), "repair");
  const bool is_dry = arguments.has("dry-run");
  const auto lock = is_dry ? nullptr : lock_against_training(*files, arguments.path(), "repair");
  const RepairPlan plan = plan_repair(*files, directory);
  if (!is_dry) repair(*files, directory, plan);
  arguments.has("json") ? print_json(plan, is_dry) : print_text(plan, is_dry);
  return kExitOk;
}

}  // namespace holdfast
