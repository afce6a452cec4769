#include "apps/commands/run.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <sstream>

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
    "Trains what CONFIG (YAML) describes on RANKS processes, and starts again from the newest checkpoint when one fails.\n\n"
    "  holdfast run configs/fashion_cnn.yaml -n 2\n"
    "  holdfast run configs/fashion_cnn.yaml -n 2 --set trainer.max_steps=1000 --run-dir runs/long\n"
    "  holdfast run configs/fashion_cnn.yaml -n 2 --inject kill:rank=1,step=137,section=backward\n\n"
    "Ctrl-C or SIGTERM: checkpoint at the end of the step, then end with 75; once more: end at once.\n"
    "Exit codes: 0 finished, 75 stopped, 78 configuration, 65 data, 69 somebody trains there, 70 gave up (docs/exit-codes.md).\n\noptions";

Path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace

int run_command(const std::vector<std::string>& arguments) {
  std::string config, trainer;
  std::vector<std::string> overrides, injections, exported;
  int ranks = 0;
  po::options_description shown(kUsage), all;
  shown.add_options()("ranks,n", po::value(&ranks), "processes, one for each rank")(
      "run-dir", po::value<std::string>(), "directory of the run (default: run.directory, else runs/NAME)")(
      "set", po::value(&overrides)->composing(), "KEY=VALUE, overrides the file; may be repeated")(
      "export,x", po::value(&exported)->composing(), "VARIABLE of the environment that every rank gets; may be repeated")(
      "inject", po::value(&injections)->composing(),
      "KIND:rank=R,step=S[,section=NAME][,occurrence=N]: a fault to recover from, KIND one of kill, segv, abort, exit, throw; fires once "
      "per run; may be "
      "repeated")("trainer", po::value(&trainer), "program of each rank (default: holdfast-train beside this program)")(
      "help,h", "print this and end");
  all.add(shown).add_options()("config", po::value(&config));
  po::variables_map values;
  try {
    const auto positions = po::positional_options_description().add("config", 1);
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;  // as every other command
    po::store(po::command_line_parser(arguments).options(all).positional(positions).style(style).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    throw UsageError(fmt::format("holdfast run: {}\n  next: holdfast run --help", error.what()));
  }
  if (values.count("help")) {
    std::ostringstream text;
    text << shown;
    fmt::print("{}", text.str());
    return kExitOk;
  }
  if (config.empty() || ranks < 1)
    throw UsageError("holdfast run: a configuration file and -n RANKS (1 or more) are needed\n  next: holdfast run --help");
  for (const std::string& injection : injections)
    if (parse_injection(injection).rank >= ranks)
      throw UsageError(fmt::format("--inject {}: there are {} ranks, counted from 0", injection, ranks));

  Configuration configuration = load_configuration(config, overrides);
  if (values.count("run-dir")) configuration.run.directory = values["run-dir"].as<std::string>();
  Path directory = std::filesystem::absolute(configuration.run.directory).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();  // "runs/a/" is "runs/a"
  configuration.run.directory = directory.string();
  require_utf8(configuration);
  const auto files = make_posix_file_system();
  make_directories(*files, RunLayout{directory}.checkpoints());

  const Path program = own_program();
  if (trainer.empty()) trainer = (program.parent_path() / "holdfast-train").string();
  std::vector<std::string> command = {trainer, std::filesystem::absolute(config).string(), "--run-dir", directory.string()};
  for (const std::string& text : overrides) command.insert(command.end(), {"--set", text});
  for (const std::string& text : injections) command.insert(command.end(), {"--inject", text});
  return supervise({.ranks = ranks,
                    .run_directory = directory,
                    .restart = configuration.restart,
                    .shim = program.string(),
                    .command = std::move(command),
                    .exported = std::move(exported)});
}

}  // namespace holdfast
