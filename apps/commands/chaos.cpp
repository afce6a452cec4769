#include "apps/commands/chaos.h"

#include <fmt/format.h>

#include "apps/command_line/parse.h"
#include "apps/commands/run_target.h"
#include "base/error.h"
#include "launch/chaos/chaos.h"
#include "launch/chaos/fault.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: holdfast chaos CONFIG -n RANKS [options]\n"
    "Trains CONFIG twice: undisturbed, and under random faults of every kind that this process injects. Says whether the run called each "
    "by "
    "its name, what was left behind, and whether both end with the same parameters.\n\n"
    "  holdfast chaos configs/short.yaml -n 2 --set trainer.max_steps=20000 --most 20\n\n"
    "Exit codes: 0 all is well, 1 something is not, 70 the disturbed run ended for good.\n\noptions";

struct ChaosArguments {
  std::string config, ranks;
  std::vector<std::string> overrides;
  ChaosOptions options;
};

std::string list_of_faults() {
  std::string text = "\nfaults:\n";
  for (const Fault& fault : faults()) text += fmt::format("  {:<16} {}\n", fault.name, fault.what);
  return text;
}

}  // namespace

int chaos_command(const std::vector<std::string>& words) {
  ChaosArguments arguments;
  std::string directory = "runs/chaos";
  ChaosOptions& options = arguments.options;
  po::options_description shown(kUsage), all;
  shown.add_options()("ranks,n", po::value(&arguments.ranks), "processes, one for each rank")(
      "set", po::value(&arguments.overrides)->composing(), "KEY=VALUE, overrides the file; may be repeated")(
      "seed", po::value(&options.seed), "of the order of faults, and of what they strike (default: 1)")(
      "minutes", po::value(&options.minutes), "faults strike for so long (default: 10)")(
      "rate", po::value(&options.per_hour), "faults an hour on the average, while the run trains (default: 600)")(
      "most", po::value(&options.most), "ends after so many faults (default: no limit)")(
      "run-dir", po::value(&directory), "gets undisturbed/, disturbed/ and chaos.jsonl; new or empty (default: runs/chaos)")(
      "help,h", "print this and end");
  all.add(shown).add_options()("config", po::value(&arguments.config));
  const auto positions = po::positional_options_description().add("config", 1);
  if (parse_words({"holdfast chaos", "holdfast chaos --help", all, positions}, words).count("help")) {
    print_help(shown);
    fmt::print("{}", list_of_faults());
    return kExitOk;
  }
  if (arguments.config.empty() || arguments.ranks.empty())
    throw UsageError("holdfast chaos: a configuration and -n RANKS are needed\n  next: holdfast chaos --help");
  parse_count("holdfast chaos", "--ranks", arguments.ranks, 1);
  if (!(options.per_hour > 0) || !(options.minutes > 0) || options.most < 0)
    throw UsageError("holdfast chaos: --rate and --minutes are above 0, --most is 0 or more\n  next: holdfast chaos --help");
  options.directory = run_directory(directory);
  const auto files = make_posix_file_system();
  if (!files->list(options.directory).empty())
    throw UsageError(to_string({.attempted = "holdfast chaos in " + options.directory.string(),
                                .expected = "a directory that is empty or not there",
                                .found = "files",
                                .next = "give another --run-dir"}));
  options.program = std::filesystem::read_symlink("/proc/self/exe");
  options.words = {std::filesystem::absolute(arguments.config).string(), "-n", arguments.ranks};
  add_overrides(options.words, arguments.overrides);
  return run_chaos(options);
}

}  // namespace holdfast
