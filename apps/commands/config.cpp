#include "apps/commands/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/command_line/parse.h"
#include "apps/commands/plan.h"
#include "apps/commands/trainer_program.h"
#include "base/error.h"
#include "base/exit_code.h"
#include "checkpoint/policy/policy.h"
#include "options/dump.h"
#include "options/reference.h"
#include "options/run_options.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage = R"(usage: holdfast config COMMAND …

  holdfast config check CONFIG [--set KEY=VALUE]...
      Checks every key and value, also those of the task and the data source; opens no data. Exit code 0 or 78.
  holdfast config show CONFIG [--set KEY=VALUE]... [--json]
      Prints every value in force, as YAML or JSON.
  holdfast config plan CONFIG [--set KEY=VALUE]... [--json]
      Prints what a run will do: updates, every validation and save, bytes. Opens the data, to see how large they are.
  holdfast config reference [--schema]
      Prints the reference of every key as Markdown, or a JSON schema for editors.

  --set KEY=VALUE   lays one value over the file: --set trainer.max_steps=100 --set optimizers.main.lr=1e-4
)";

struct ConfigArguments {
  std::string command;
  std::string file;
  std::vector<std::string> overrides;
  bool wants_json = false;
  bool wants_schema = false;
  bool wants_help = false;
};

ConfigArguments parse_arguments(const std::vector<std::string>& arguments) {
  ConfigArguments parsed;
  po::options_description options;
  options.add_options()("command", po::value(&parsed.command))("config", po::value(&parsed.file))(
      "set", po::value(&parsed.overrides)->composing())("json", po::bool_switch(&parsed.wants_json))(
      "schema", po::bool_switch(&parsed.wants_schema))("help,h", po::bool_switch(&parsed.wants_help));
  po::positional_options_description positions;
  positions.add("command", 1).add("config", 1);
  parse_words({"holdfast config", "holdfast config --help", options, positions}, arguments);
  return parsed;
}

void require(bool is_right, std::string_view what) {
  if (!is_right) throw UsageError(fmt::format("holdfast config: {}\n  next: holdfast config --help", what));
}

std::string joined(const std::vector<std::string>& parts) { return parts.empty() ? "never" : fmt::format("{}", fmt::join(parts, ", ")); }

std::vector<std::string> periods(const std::optional<double>& steps, const std::optional<std::int64_t>& epochs) {
  std::vector<std::string> parts;
  if (steps && *steps >= 1) parts.push_back(fmt::format("every {} updates", *steps));
  if (steps && *steps > 0 && *steps < 1) parts.push_back(fmt::format("every {} of the run", *steps));
  if (epochs && *epochs > 0) parts.push_back(*epochs == 1 ? "every epoch" : fmt::format("every {} epochs", *epochs));
  return parts;
}

std::string when_due(const ValidationOptions& validation) {
  std::vector<std::string> parts = periods(validation.every_steps, validation.every_epochs);
  if (validation.at_end) parts.emplace_back("at the end");
  return joined(parts);
}

std::string when_due(const CheckpointOptions& entry) {
  std::vector<std::string> parts = periods(entry.every_steps, entry.every_epochs);
  if (entry.every_minutes) parts.push_back(fmt::format("every {} minutes", *entry.every_minutes));
  if (entry.after_validation) parts.emplace_back("after each validation");
  if (entry.at_end) parts.emplace_back("at the end");
  if (entry.on_signal) parts.emplace_back("when stopped");
  if (entry.on_exception) parts.emplace_back("when a rank fails");
  return joined(parts) + (entry.only_best ? fmt::format(", if {} is a new best", entry.monitor) : "");
}

std::string kept_by(const CheckpointOptions& entry) {
  const Choice choice = choice_of(entry);
  if (choice.count < 0) return "all";
  const std::string by = fmt::format("{} ({})", entry.monitor, entry.mode == Mode::min ? "smallest" : "largest");
  if (choice.by == Choice::By::score) return fmt::format("the best {} by {}", choice.count, by);
  return fmt::format("the newest {}", choice.count) + (entry.monitor.empty() ? "" : ", the best by " + by + " among them");
}

std::string contents_of(const CheckpointOptions& entry) {
  std::string text = entry.weights_only ? "; weights alone" : "";
  if (!entry.transforms.empty()) text += fmt::format("; with {}", fmt::join(entry.transforms, ", "));
  return text + (entry.load_best_at_end ? "; the run ends with the weights of its best" : "");
}

std::string text_of(const TransformOptions& transform) {
  if (transform.type == kAverageType)
    return fmt::format("ema, decay {}, every {} updates from {} on", transform.decay, transform.every_steps, transform.start_step);
  const std::string what = transform.type == kHalfType    ? (transform.precision == HalfType::bf16 ? "bf16" : "fp16")
                           : transform.type == kScaleType ? fmt::format("scale by {}", transform.factor)
                                                          : transform.type;
  return what + (transform.of.empty() ? "" : " of " + transform.of);
}

/// Empty: float32 throughout.
std::string text_of(const PrecisionOptions& precision, const ParallelOptions& parallel) {
  std::vector<std::string> parts;
  if (precision.compute != NumberFormat::float32)
    parts.push_back(fmt::format("computes in {}{}", name_of(precision.compute), precision.scales_gradients() ? ", gradients scaled" : ""));
  if (parallel.gradient_dtype != NumberFormat::float32)
    parts.push_back(fmt::format("gradients are sent as {}", name_of(parallel.gradient_dtype)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string summary(const Configuration& configuration) {
  std::string out;
  const auto line = [&out](std::string_view key, const std::string& text) { out += fmt::format("  {:<12} {}\n", key, text); };
  line("run", fmt::format("{} in {}, seed {}", configuration.run.name, configuration.run.directory, configuration.run.seed));
  const ComponentOptions& task = configuration.task;
  line("task", fmt::format("{}{}", task.name, task.plugin.empty() ? "" : fmt::format(" (plugin {})", task.plugin)));
  line("data", fmt::format("{}, {} samples a batch", configuration.data.name, configuration.data.global_batch_size));
  for (const auto& [name, optimizer] : configuration.optimizers)
    line("optimizer", fmt::format("{}: {}, lr {}{}", name, optimizer.type == OptimizerKind::sgd ? "sgd" : "adamw", optimizer.lr,
                                  optimizer.schedule.empty() ? "" : fmt::format(", schedule {}", optimizer.schedule)));
  if (configuration.run.device != DeviceChoice::automatic)
    line("device", std::string(kDeviceNames[static_cast<std::size_t>(configuration.run.device)].first));
  if (const std::string precision = text_of(configuration.precision, configuration.parallel); !precision.empty())
    line("precision", precision);
  const TrainerOptions& trainer = configuration.trainer;
  std::vector<std::string> ends;
  if (trainer.max_steps) ends.push_back(fmt::format("{} updates", *trainer.max_steps));
  if (trainer.max_epochs) ends.push_back(fmt::format("{} epochs", *trainer.max_epochs));
  line("ends after", fmt::format("{}{}", fmt::join(ends, " or "), ends.size() > 1 ? ", whichever comes first" : ""));
  const ValidationOptions& validation = configuration.validation;
  line("validation", when_due(validation) + (validation.weights.empty() ? "" : ", of " + validation.weights));
  for (const auto& [name, callback] : configuration.callbacks) line("callback", fmt::format("{}: {}", name, callback.type));
  for (const auto& [name, transform] : configuration.transforms) line("transform", fmt::format("{}: {}", name, text_of(transform)));
  for (const CheckpointOptions& entry : configuration.checkpoints)
    line("checkpoint", fmt::format("{}: {}; keeps {}{}", entry.name, when_due(entry), kept_by(entry), contents_of(entry)));
  const auto is_whole = [](const CheckpointOptions& entry) { return !entry.weights_only; };
  if (std::none_of(configuration.checkpoints.begin(), configuration.checkpoints.end(), is_whole))
    line("checkpoint", "none that a run can go on from: a failure starts it from the beginning");
  return out;
}

/// The trainer writes what it refuses to our stderr itself; its "ok" is left out for ours.
int run_trainer_check(const std::filesystem::path& trainer, const ConfigArguments& arguments) {
  std::vector<std::string> words = {"--check", arguments.file};
  add_overrides(words, arguments.overrides);
  return ask_trainer(trainer, words).exit_code;
}

int check(const ConfigArguments& arguments, const std::filesystem::path& program_directory) {
  const Configuration configuration = load_configuration(arguments.file, arguments.overrides);
  const std::filesystem::path trainer = program_directory / "holdfast-train";
  std::string note;
  if (access(trainer.c_str(), X_OK) == 0) {
    if (const int code = run_trainer_check(trainer, arguments); code != kExitOk) return code;
  } else {
    note = fmt::format("  note         task.options and data.options were not checked: there is no {}\n", trainer.string());
  }
  fmt::print("{}: ok\n{}{}", arguments.file, summary(configuration), note);
  return kExitOk;
}

int show(const ConfigArguments& arguments) {
  Configuration configuration = load_configuration(arguments.file, arguments.overrides);
  const nlohmann::ordered_json values =
      describe_to_ordered_json([&configuration](FieldVisitor& visitor) { configuration.describe(visitor); });
  fmt::print("{}", arguments.wants_json ? values.dump(2) + "\n" : to_yaml(values));
  return kExitOk;
}

int reference(const ConfigArguments& arguments) {
  if (arguments.wants_schema) {
    fmt::print("{}\n", json_schema(list_fields_of<Configuration>(), "Holdfast configuration").dump(2));
  } else {
    fmt::print("{}", configuration_reference());
  }
  return kExitOk;
}

std::filesystem::path own_directory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace

int config_command(const std::vector<std::string>& arguments) { return config_command(arguments, own_directory()); }

int config_command(const std::vector<std::string>& arguments, const std::filesystem::path& program_directory) {
  const ConfigArguments parsed = parse_arguments(arguments);
  if (parsed.wants_help || parsed.command == "help") {
    fmt::print("{}", kUsage);
    return kExitOk;
  }
  require(!parsed.command.empty(), "say what to do: check, show, plan or reference");
  const bool is_reference = parsed.command == "reference";
  const bool is_plan = parsed.command == "plan", is_show = parsed.command == "show";
  require(is_reference || is_plan || is_show || parsed.command == "check", fmt::format("unknown command '{}'", parsed.command));
  require(is_show || is_plan || !parsed.wants_json, "--json belongs to show and plan");
  require(is_reference || !parsed.wants_schema, "--schema belongs to reference");
  require(is_reference || !parsed.file.empty(), fmt::format("{} needs a configuration file", parsed.command));
  require(!is_reference || (parsed.file.empty() && parsed.overrides.empty()), "reference takes no configuration");
  if (is_reference) return reference(parsed);
  if (is_plan) return plan_command(parsed.file, parsed.overrides, parsed.wants_json, program_directory / "holdfast-train");
  return is_show ? show(parsed) : check(parsed, program_directory);
}

}  // namespace holdfast
