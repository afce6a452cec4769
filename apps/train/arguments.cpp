#include "apps/train/arguments.h"

#include <fmt/format.h>

#include "apps/command_line/parse.h"
#include "base/error.h"
#include "dist/communicator.h"
#include "trainer/state/provenance.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: holdfast-train CONFIG [options]\n"
    "       holdfast-train --evaluate CHECKPOINT [CONFIG] [options]\n"
    "Trains one rank of the run that CONFIG (YAML) describes. Started by `holdfast run`, or by mpirun or srun:\n"
    "  mpirun -n 2 holdfast-train configs/fashion_cnn.yaml\n"
    "Exit codes: 0 finished, 75 stopped after a checkpoint, 78 configuration, 65 data, 69 somebody trains there or a rank is lost.\n\n"
    "options";

po::options_description described_options(TrainArguments& arguments, std::vector<std::string>& injections) {
  po::options_description options(kUsage);
  auto add = options.add_options();
  add("run-dir", po::value<std::string>(), "directory of the run (default: run.directory, else runs/NAME)");
  add("set", po::value(&arguments.overrides)->composing(), "KEY=VALUE, overrides the file: trainer.max_steps=100; may be repeated");
  add("inject", po::value(&injections)->composing(),
      "KIND:rank=R,step=S[,section=NAME][,occurrence=N][,seconds=T], a fault to recover from; may be repeated");
  add("evaluate", po::value(&arguments.evaluated),
      "CHECKPOINT, measures its weights (original or transformed) on the validation data instead of training; CONFIG may be left out then: "
      "it "
      "is in the checkpoint, and its relative paths start in the working directory");
  add("check", po::bool_switch(&arguments.is_check_only), "check the configuration, the task's and the data's options too, and end");
  add("describe", po::bool_switch(&arguments.is_describe_only), "print the sizes of the data and of the state as JSON, and end");
  add("probe", po::value(&arguments.probe), "for `holdfast doctor`: versions, as JSON, or pairs:SECONDS, how fast all pairs of ranks talk");
  add("version", "print versions and end");
  add("help,h", "print this and end");
  return options;
}

}  // namespace

std::optional<TrainArguments> parse_train_arguments(int argc, char** argv) {
  TrainArguments arguments;
  std::vector<std::string> injections;
  const po::options_description shown = described_options(arguments, injections);
  po::options_description all;
  all.add(shown).add_options()("config", po::value(&arguments.config));
  const auto positions = po::positional_options_description().add("config", 1);
  const po::variables_map values =
      parse_words({"holdfast-train", "holdfast-train --help", all, positions}, std::vector<std::string>(argv + 1, argv + argc));
  if (values.count("help")) {
    print_help(shown);
    return std::nullopt;
  }
  if (values.count("version")) {
    fmt::print("holdfast-train {}\nLibTorch {}\n{}\n", HOLDFAST_VERSION, libtorch_version(), mpi_library_version());
    return std::nullopt;
  }
  if (!arguments.probe.empty()) return arguments;
  if (arguments.config.empty() && arguments.evaluated.empty())
    throw UsageError("a configuration file is needed\n  next: holdfast-train --help");
  if (!arguments.evaluated.empty())
    for (const char* option : {"run-dir", "inject", "check", "describe"})
      if (values.count(option) && !values[option].defaulted())
        throw UsageError(fmt::format("--{} is of a training, and --evaluate does none\n  next: leave one of the two out", option));
  if (values.count("run-dir")) arguments.run_directory = values["run-dir"].as<std::string>();
  for (const std::string& text : injections) arguments.injections.push_back(parse_injection(text));
  return arguments;
}

}  // namespace holdfast
