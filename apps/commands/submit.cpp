#include "apps/commands/submit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "apps/command_line/parse.h"
#include "apps/commands/run_target.h"
#include "apps/commands/trainer_program.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/program.h"
#include "launch/slurm/job_script.h"
#include "launch/slurm/time_limit.h"
#include "options/run_options.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: holdfast submit CONFIG --time LIMIT [--nodes N] [options]\n"
    "Prints the script of a Slurm job that trains what CONFIG describes, under supervision and from one time limit to the next until it is "
    "finished; with --now, submits it and prints the number of the job.\n\n"
    "  holdfast submit configs/fashion_cnn.yaml --nodes 4 --ranks-per-node 2 --time 2h > job.sbatch\n"
    "  holdfast submit configs/fashion_cnn.yaml --nodes 4 --spares 1 --time 1-12:00:00 --partition long --now\n\n"
    "options";

// Slurm looks at time limits every half minute or so: its warning may come that much too early, and the start takes its time, too.
constexpr std::int64_t kSlackSeconds = 60;

struct SubmitArguments {
  std::string config, nodes = "1", ranks_per_node = "1", spares = "0", cores, time, warning = "3m", partition, account, run_directory,
                      output;
  std::vector<std::string> overrides, options;
  bool wants_now = false;
};

[[noreturn]] void refuse(const std::string& what) { throw UsageError("holdfast submit: " + what + "\n  next: holdfast submit --help"); }

/// nullopt: help was asked for and printed.
std::optional<SubmitArguments> parse(const std::vector<std::string>& words) {
  SubmitArguments arguments;
  po::options_description shown(kUsage), all;
  shown.add_options()("nodes", po::value(&arguments.nodes), "nodes to train on (1)")(
      "time", po::value(&arguments.time), "time limit of a job: 90m, 2h, 1-12:00:00; the run takes as many jobs as it needs")(
      "ranks-per-node", po::value(&arguments.ranks_per_node), "processes on each node (1)")(
      "spares", po::value(&arguments.spares), "further nodes, that take the place of one that is lost (0)")(
      "cores-per-rank", po::value(&arguments.cores), "processor cores for each process (default: what the cluster gives)")(
      "warning", po::value(&arguments.warning), "how long before the limit the ranks begin to save (3m)")(
      "partition", po::value(&arguments.partition), "sbatch --partition")("account", po::value(&arguments.account), "sbatch --account")(
      "sbatch", po::value(&arguments.options)->composing(), "a further option of sbatch: --sbatch=--exclusive; may be repeated")(
      "run-dir", po::value(&arguments.run_directory),
      "directory of the run, which every node sees (default: run.directory, else runs/NAME)")(
      "set", po::value(&arguments.overrides)->composing(), "KEY=VALUE, overrides the file; may be repeated")(
      "output,o", po::value(&arguments.output), "file to write the script to")(
      "now", po::bool_switch(&arguments.wants_now), "submit it; the script is written to the run directory unless -o says where")(
      "help,h", "print this and end");
  all.add(shown).add_options()("config", po::value(&arguments.config));
  const auto positions = po::positional_options_description().add("config", 1);
  if (parse_words({"holdfast submit", "holdfast submit --help", all, positions}, words).count("help")) {
    print_help(shown);
    return std::nullopt;
  }
  return arguments;
}

int count(const std::string& text, const std::string& option, int least) {
  constexpr int kMost = 100000;
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > kMost)
    refuse(fmt::format("{} {}: expected a number of {} to {}", option, text, least, kMost));
  return number;
}

/// It becomes a line of a script.
void require_one_line(const std::string& text, const std::string& option) {
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c); }))
    refuse(option + ": it has a line break or another control character in it");
}

void require_further_options(const SubmitArguments& arguments) {
  for (const std::string& option : arguments.options)
    if (!option.starts_with("--") || option.size() < 4)
      refuse(fmt::format("--sbatch {}: expected an option of sbatch in its long form, such as --sbatch=--exclusive", option));
}

/// As `holdfast config check` does, where there is a trainer. Anything but 0: it has said why.
int check_with_trainer(const Path& trainer, const SubmitArguments& arguments) {
  if (!std::filesystem::exists(trainer)) return kExitOk;
  std::vector<std::string> words = {"--check", arguments.config};
  add_overrides(words, arguments.overrides);
  return ask_trainer(trainer, words).exit_code;
}

JobRequest request_of(const SubmitArguments& arguments, const std::vector<std::string>& words) {
  JobRequest request{.nodes = count(arguments.nodes, "--nodes", 1),
                     .spares = count(arguments.spares, "--spares", 0),
                     .ranks_per_node = count(arguments.ranks_per_node, "--ranks-per-node", 1),
                     .time_seconds = parse_time_limit(arguments.time, "--time"),
                     .warning_seconds = parse_time_limit(arguments.warning, "--warning"),
                     .partition = arguments.partition,
                     .account = arguments.account,
                     .options = arguments.options};
  if (!arguments.cores.empty()) request.cores_per_rank = count(arguments.cores, "--cores-per-rank", 1);
  if (request.time_seconds < request.warning_seconds + 2 * kSlackSeconds)
    refuse(fmt::format(
        "--time {}: {} before the end the ranks begin to save, and a minute earlier where Slurm rounds so: nothing is left to train\n"
        "  next: a longer --time, or a shorter --warning than {}",
        arguments.time, arguments.warning, arguments.warning));
  request.made_by = "Written by: holdfast submit";
  for (const std::string& word : words) {
    require_one_line(word, word.substr(0, word.find_first_of("=\n")));
    request.made_by += " " + shell_word(word);
  }
  return request;
}

std::string read_pattern(const Path& program) {
  return read_text(*make_posix_file_system(), (program.parent_path() / HOLDFAST_JOB_SCRIPTS / "holdfast.sbatch").lexically_normal());
}

void write_script(const Path& path, const std::string& text) {
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  files->remove_file(path);
  const auto out = files->create(path);
  out->write_at(0, std::as_bytes(std::span(text)));
  out->close();
}

/// The number of the job, as sbatch prints it.
std::string sbatch(const Path& script) {
  const ProgramEnd end = run_program({"sbatch", "--parsable", script.string()});
  if (!end.is_good())
    throw Error(to_string({.attempted = "submit " + script.string(),
                           .expected = "sbatch to take it",
                           .found = end.start_error != 0 ? std::strerror(end.start_error)
                                    : end.signal != 0    ? fmt::format("its death by signal {}", end.signal)
                                                         : fmt::format("exit code {}", end.exit_code),
                           .next = end.start_error == ENOENT ? "run this where Slurm's sbatch is on PATH"
                                                             : "what sbatch says is above; the script stays there"}),
                kExitUnavailable);
  return end.output.substr(0, end.output.find_first_of(";\n"));
}

}  // namespace

int submit_command(const std::vector<std::string>& words) {
  const std::optional<SubmitArguments> arguments = parse(words);
  if (!arguments) return kExitOk;
  if (arguments->config.empty()) refuse("a configuration file is needed");
  if (arguments->time.empty()) refuse("--time LIMIT is needed");
  require_further_options(*arguments);
  JobRequest request = request_of(*arguments, words);
  Configuration configuration = load_configuration(arguments->config, arguments->overrides);
  const Path program = std::filesystem::read_symlink("/proc/self/exe");
  if (const int code = check_with_trainer(program.parent_path() / "holdfast-train", *arguments); code != kExitOk) return code;
  if (!arguments->run_directory.empty()) configuration.run.directory = arguments->run_directory;
  const Path directory = run_directory(configuration.run.directory);
  require_min_ranks(configuration, request.nodes * request.ranks_per_node);
  require_one_line(configuration.run.name, "run.name");
  request.name = configuration.run.name;
  request.program = program.string();
  request.arguments = {std::filesystem::absolute(arguments->config).string(), "-n", std::to_string(request.nodes * request.ranks_per_node),
                       "--run-dir", directory.string()};
  add_overrides(request.arguments, arguments->overrides);
  const std::string script = job_script(read_pattern(program), request);
  if (configuration.restart.stop_grace_seconds > static_cast<double>(request.warning_seconds))
    fmt::print(stderr,
               "holdfast submit: restart.stop_grace_seconds ({:g}) is longer than --warning ({} s): a save that takes longer is cut off by "
               "Slurm\n",
               configuration.restart.stop_grace_seconds, request.warning_seconds);
  if (!arguments->wants_now && arguments->output.empty()) {
    fmt::print("{}", script);
    return kExitOk;
  }
  if (arguments->output.empty()) make_directories(*make_posix_file_system(), directory);
  const Path path = arguments->output.empty() ? directory / "job.sbatch" : Path(arguments->output);
  write_script(path, script);
  if (arguments->wants_now) fmt::print("{}\n", sbatch(path));
  return kExitOk;
}

}  // namespace holdfast
