// holdfast-train CONFIG [--set key=value]...: what every rank runs, under `holdfast run`, mpirun or srun alike.
#include <fmt/format.h>
#include <torch/torch.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/heartbeat.h"
#include "base/host.h"
#include "base/injection.h"
#include "base/log.h"
#include "data/built_in.h"
#include "data/prefetch_loader.h"
#include "options/read.h"
#include "options/run_options.h"
#include "tasks/built_in.h"
#include "trainer/environment.h"
#include "trainer/registry.h"
#include "trainer/stop_request.h"
#include "trainer/trainer.h"

namespace holdfast {
namespace {

namespace po = boost::program_options;

struct Arguments {
  std::string config;
  std::optional<std::string> run_directory;
  std::vector<std::string> overrides, injections;
  bool is_check_only = false;
};

constexpr const char* kUsage =
    "usage: holdfast-train CONFIG [options]\n"
    "Trains one rank of the run that CONFIG (YAML) describes. Started by `holdfast run`, or by mpirun or srun:\n"
    "  mpirun -n 2 holdfast-train configs/fashion_cnn.yaml\n\noptions";

/// nullopt when there is nothing left to do (--help, --version).
std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  po::options_description shown(kUsage), all;
  shown.add_options()("run-dir", po::value<std::string>(), "directory of the run (default: run.directory, else runs/NAME)")(
      "set", po::value(&arguments.overrides)->composing(), "KEY=VALUE, overrides the file: trainer.max_steps=100; may be repeated")(
      "inject", po::value(&arguments.injections)->composing(), "KIND:rank=R,step=S[,section=NAME][,occurrence=N], a fault to recover from; may be repeated")(
      "check", "check the configuration, the task's and the data's options too, and end")("version", "print versions and end")("help,h", "print this and end");
  all.add(shown).add_options()("config", po::value(&arguments.config));
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv).options(all).positional(po::positional_options_description().add("config", 1)).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    throw UsageError(fmt::format("{}\n  next: holdfast-train --help", error.what()));
  }
  if (values.count("help")) {
    std::ostringstream text;
    text << shown;
    fmt::print("{}", text.str());
    return std::nullopt;
  }
  if (values.count("version")) {
    fmt::print("holdfast-train {}\nLibTorch {} ({})\n{}\n", HOLDFAST_VERSION, libtorch_version(), at::get_cpu_capability(), mpi_library_version());
    return std::nullopt;
  }
  if (arguments.config.empty()) throw UsageError("a configuration file is needed\n  next: holdfast-train --help");
  if (values.count("run-dir")) arguments.run_directory = values["run-dir"].as<std::string>();
  arguments.is_check_only = values.count("check") > 0;
  return arguments;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

int environment_number(const char* name, int otherwise) {
  const auto value = environment(name);
  return value ? std::atoi(value->c_str()) : otherwise;
}

/// Everything that is built from the configuration before any rank talks to another.
struct Program {
  Configuration configuration;
  nlohmann::json resolved_options;
  std::unique_ptr<Task> task;
  DataSources data;
};

std::string plugin_path(const Configuration& configuration, const std::string& plugin) {
  const Path path(plugin);
  return path.is_absolute() ? path.string() : std::filesystem::absolute(Path(configuration.file).parent_path() / path).string();
}

Program build(const Arguments& arguments) {
  Program program{.configuration = load_configuration(arguments.config, arguments.overrides)};
  Configuration& configuration = program.configuration;
  if (arguments.run_directory) configuration.run.directory = *arguments.run_directory;
  program.resolved_options = to_json(configuration);
  Registry registry;
  register_built_in_tasks(registry);
  register_built_in_data(registry);
  if (!configuration.task.plugin.empty()) load_plugin(plugin_path(configuration, configuration.task.plugin), registry);
  const std::string directory = Path(configuration.file).parent_path().string();
  const ComponentContext context{.directory = directory.empty() ? "." : directory, .is_check_only = arguments.is_check_only};
  torch::manual_seed(static_cast<std::uint64_t>(configuration.run.seed));  // of the initial weights
  program.task = registry.make_task(configuration.task, context);
  program.data = registry.make_data(configuration.data, context);
  return program;
}

/// The same number on every rank: bits depend on it.
std::int64_t set_threads(const Configuration& configuration, Communicator& ranks) {
  std::int64_t threads = configuration.trainer.threads_per_rank.value_or(std::max(1, usable_cores() / ranks.local_size()));
  ranks.broadcast(std::as_writable_bytes(std::span(&threads, 1)), 0);
  at::set_num_threads(static_cast<int>(threads));
  at::init_num_threads();  // now, in this thread: the number is otherwise looked up at its first parallel loop
  return threads;
}

void set_determinism(Determinism determinism) {
  if (determinism == Determinism::fast) return;
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

int train(const Arguments& arguments, Heartbeat* heartbeat) {
  Program program = build(arguments);
  if (arguments.is_check_only) {
    fmt::print("{}: ok\n", arguments.config);
    return kExitOk;
  }
  const Configuration& configuration = program.configuration;
  const SystemClock clock;
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  const RunLayout layout{std::filesystem::absolute(configuration.run.directory)};
  SectionTracker sections(heartbeat);
  const std::unique_ptr<Communicator> ranks = make_mpi_communicator(sections);
  set_up_log(fmt::format("rank {}", ranks->rank()));
  install_stop_handlers();
  if (ranks->rank() == 0) make_directories(*files, layout.checkpoints());
  ranks->barrier();

  std::vector<Injection> injections;
  for (const std::string& text : arguments.injections) injections.push_back(parse_injection(text));
  InjectionPlan plan(std::move(injections), ranks->rank(), *files, layout.injected());
  sections.on_point([&plan](Section section, std::int64_t step) { plan.at_point(section, step); });

  const std::int64_t threads = set_threads(configuration, *ranks);
  set_determinism(configuration.trainer.determinism);
  const auto batches = [&](const std::shared_ptr<const DataSource>& source, bool is_training) {
    const std::int64_t size = is_training ? configuration.data.global_batch_size
                                          : configuration.validation.batch_size.value_or(configuration.data.global_batch_size);
    return make_loader(source,
                       {.dataset_samples = source->size(),
                        .global_batch_size = size,
                        .drop_last = is_training && configuration.data.drop_last,
                        .shuffle = is_training && configuration.data.shuffle,
                        .seed = static_cast<std::uint64_t>(configuration.run.seed),
                        .rank = ranks->rank(),
                        .world_size = ranks->size()},
                       configuration.data.prefetch_batches);
  };
  const std::unique_ptr<BatchLoader> training = batches(program.data.training, true);
  const std::unique_ptr<BatchLoader> validation = program.data.validation ? batches(program.data.validation, false) : nullptr;
  const bool is_supervised = environment("HOLDFAST_SUPERVISOR").has_value();
  Trainer trainer({*ranks, *files, clock, sections, heartbeat, *program.task, *training, validation.get()}, configuration, program.resolved_options,
                  {.layout = layout,
                   .attempt = environment_number("HOLDFAST_ATTEMPT", 1),
                   .is_restart = environment_number("HOLDFAST_IS_RESTART", 0) != 0,
                   .threads_per_rank = threads,
                   .progress = !is_supervised && is_stdout_a_terminal() ? Progress::Style::bar : Progress::Style::lines});
  return trainer.run() == RunEnd::stopped ? kExitTemporary : kExitOk;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  set_up_log("rank " + std::to_string(environment_number("OMPI_COMM_WORLD_RANK", environment_number("PMIX_RANK", 0))));
  std::unique_ptr<Heartbeat> heartbeat;
  const auto fail = [&heartbeat](const std::string& what, int exit_code) {
    log_error("{}", what);
    if (heartbeat) heartbeat->set_error(what);
    return exit_code;
  };
  try {
    const std::optional<Arguments> arguments = parse(argc, argv);
    if (!arguments) return kExitOk;
    heartbeat = Heartbeat::from_environment();
    return train(*arguments, heartbeat.get());
  } catch (const Error& error) {
    return fail(error.what(), error.exit_code());
  } catch (const std::exception& error) {
    return fail(error.what(), kExitSoftware);
  }
}
