#include "apps/commands/run.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "apps/command_line/parse.h"
#include "apps/commands/allocation.h"
#include "apps/commands/run_target.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/injection.h"
#include "checkpoint/format/layout.h"
#include "launch/supervisor.h"
#include "options/run_options.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: holdfast run CONFIG -n RANKS [options]\n"
    "       holdfast run CONFIG --hosts a:2,b:2 [-n RANKS] [options]\n"
    "Trains what CONFIG (YAML) describes on RANKS processes, and starts again from the newest checkpoint when one fails.\n\n"
    "  holdfast run configs/fashion_cnn.yaml -n 2\n"
    "  holdfast run configs/fashion_cnn.yaml -n 2 --set trainer.max_steps=1000 --run-dir runs/long\n"
    "  holdfast run configs/fashion_cnn.yaml -n 2 --inject kill:rank=1,step=137,section=backward\n"
    "  holdfast run configs/fashion_cnn.yaml -n 4 --hosts a:2,b:2,c:2       two hosts, and c is a spare\n\n"
    "Inside a Slurm allocation the hosts are those of the allocation.\n"
    "Ctrl-C or SIGTERM: checkpoint at the end of the step, then end with 75; once more: end at once.\n"
    "Exit codes: 0 finished, 75 stopped, 78 configuration, 65 data, 69 somebody trains there, 70 gave up (docs/exit-codes.md).\n\noptions";

struct RunArguments {
  std::string config, trainer;
  std::vector<std::string> overrides, injections, exported;
  std::optional<std::string> run_directory;
  std::string hosts, hostfile, agent;
  int ranks = 0;
};

/// nullopt: help was asked for and printed.
std::optional<RunArguments> parse(const std::vector<std::string>& words) {
  RunArguments arguments;
  std::string run_directory, ranks;
  const std::string inject_help = fmt::format(
      "KIND:rank=R,step=S[,section=NAME][,occurrence=N][,seconds=T]: a fault to recover from, KIND one of {}; fires once per run; may be "
      "repeated",
      fault_kinds());
  po::options_description shown(kUsage), all;
  shown.add_options()("ranks,n", po::value(&ranks),
                      "processes, one for each rank (with hosts: by default all their slots; slots beyond it are spares)")(
      "hosts", po::value(&arguments.hosts), "HOST:SLOTS,… to run on; all see the run directory under the same path")(
      "hostfile", po::value(&arguments.hostfile), "file with lines 'HOST slots=N', in place of --hosts")(
      "launch-agent", po::value(&arguments.agent),
      "program that runs 'COMMAND' on HOST when called with both (default: srun in Slurm, else ssh)")(
      "run-dir", po::value(&run_directory), "directory of the run (default: run.directory, else runs/NAME)")(
      "set", po::value(&arguments.overrides)->composing(), "KEY=VALUE, overrides the file; may be repeated")(
      "export,x", po::value(&arguments.exported)->composing(), "VARIABLE of the environment that every rank gets; may be repeated")(
      "inject", po::value(&arguments.injections)->composing(), inject_help.c_str())(
      "trainer", po::value(&arguments.trainer), "program of each rank (default: holdfast-train beside this program)")("help,h",
                                                                                                                      "print this and end");
  all.add(shown).add_options()("config", po::value(&arguments.config));
  const auto positions = po::positional_options_description().add("config", 1);
  const po::variables_map values = parse_words({"holdfast run", "holdfast run --help", all, positions}, words);
  if (values.count("help")) {
    print_help(shown);
    return std::nullopt;
  }
  if (!ranks.empty() && ranks != "0") arguments.ranks = parse_count("holdfast run", "--ranks", ranks, 1);  // 0 asks for what none asks for
  if (values.count("run-dir")) arguments.run_directory = run_directory;
  return arguments;
}

void require_config_and_variables(const RunArguments& arguments) {
  if (arguments.config.empty()) throw UsageError("holdfast run: a configuration file is needed\n  next: holdfast run --help");
  for (const std::string& name : arguments.exported)
    if (name.find('=') == name.npos && !std::getenv(name.c_str()))
      throw UsageError(
          fmt::format("-x {}: there is no such variable in the environment\n  next: export {}=…, or leave -x {} out", name, name, name));
}

/// Checked against the hosts and the injected faults.
int ranks_of(const RunArguments& arguments, const std::vector<Host>& hosts) {
  const int ranks = arguments.ranks > 0 ? arguments.ranks : slots_of(hosts);
  if (ranks < 1) throw UsageError("holdfast run: -n RANKS, 1 or more, or --hosts, is needed\n  next: holdfast run --help");
  require_slots(hosts, ranks);
  for (const std::string& injection : arguments.injections)
    if (parse_injection(injection).rank >= ranks)
      throw UsageError(
          fmt::format("--inject {}: there are {} ranks, counted from 0\n  next: name a rank below {}", injection, ranks, ranks));
  return ranks;
}

std::vector<std::string> rank_command(const RunArguments& arguments, const Path& program, const Path& directory) {
  const std::string trainer = arguments.trainer.empty() ? (program.parent_path() / "holdfast-train").string() : arguments.trainer;
  std::vector<std::string> command = {trainer, std::filesystem::absolute(arguments.config).string(), "--run-dir", directory.string()};
  add_overrides(command, arguments.overrides);
  for (const std::string& text : arguments.injections) command.insert(command.end(), {"--inject", text});
  return command;
}

}  // namespace

int run_command(const std::vector<std::string>& words) {
  const std::optional<RunArguments> arguments = parse(words);
  if (!arguments) return kExitOk;
  require_config_and_variables(*arguments);
  const std::vector<Host> hosts = allocated_hosts("holdfast run", arguments->hosts, arguments->hostfile);
  const int ranks = ranks_of(*arguments, hosts);
  Configuration configuration = load_configuration(arguments->config, arguments->overrides);
  if (arguments->run_directory) configuration.run.directory = *arguments->run_directory;
  require_min_ranks(configuration, ranks);
  const Path directory = run_directory(configuration.run.directory), program = std::filesystem::read_symlink("/proc/self/exe");
  configuration.run.directory = directory.string();
  require_utf8(configuration);
  make_directories(*make_posix_file_system(), RunLayout{directory}.checkpoints());
  return supervise({.ranks = ranks,
                    .hosts = hosts,
                    .agent = arguments->agent,
                    .run_directory = directory,
                    .restart = configuration.restart,
                    .hooks = configuration.hooks,
                    .shim = program.string(),
                    .command = rank_command(*arguments, program, directory),
                    .exported = arguments->exported});
}

}  // namespace holdfast
