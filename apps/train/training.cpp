#include "apps/train/training.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <torch/nn/module.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

#include "apps/train/components.h"
#include "apps/train/device.h"
#include "apps/train/own_times.h"
#include "apps/train/stand_by.h"
#include "base/allocator.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/fence.h"
#include "base/host.h"
#include "base/job_end.h"
#include "base/log.h"
#include "base/run_lock.h"
#include "data/prefetch_loader.h"
#include "options/duration.h"
#include "options/read.h"
#include "options/steps.h"
#include "trainer/devices/device_loader.h"
#include "trainer/state/model_state.h"
#include "trainer/state/training_state.h"
#include "trainer/stopping/stop_request.h"
#include "trainer/trainer.h"

namespace holdfast {
namespace {

Configuration read_configuration(const TrainArguments& arguments) {
  Configuration configuration = load_configuration(arguments.config, arguments.overrides);
  if (arguments.run_directory) configuration.run.directory = *arguments.run_directory;
  require_utf8(configuration);
  return configuration;
}

/// Collective. One training at a time in a run directory: rank 0 holds the lock, or knows the token of the supervisor that does.
std::unique_ptr<RunLock> lock_run(const RunLayout& layout, FileSystem& files, Communicator& ranks) {
  std::unique_ptr<RunLock> lock;
  std::string refusal;
  int code = kExitUnavailable;
  if (ranks.rank() == 0) try {
      make_directories(files, layout.checkpoints());
      const auto token = environment::get(environment::kToken);
      if (!token)
        lock = std::make_unique<RunLock>(layout.lock(), "");
      else if (!RunLock::accepts(layout.lock(), *token))
        refusal = "the supervisor that started this rank no longer holds the run directory " + layout.root.string();
    } catch (const Error& error) {
      refusal = error.what();
      code = error.exit_code();
    }
  refusal = broadcast_text(ranks, refusal, 0);
  ranks.broadcast(std::as_writable_bytes(std::span(&code, 1)), 0);
  if (!refusal.empty()) throw Error(refusal, code);
  return lock;
}

/// Rank 0 alone changes what lies under names that others read. It may be on a host that was cut off, or be stopped, while the run goes on
/// elsewhere: then the fence says so, and there is nothing that this process may still do.
std::unique_ptr<FileSystem> fenced_files(const RunLayout& layout, int rank) {
  std::unique_ptr<FileSystem> files = make_posix_file_system();
  if (rank != 0) return files;
  const auto tag = environment::get(environment::kAttemptTag);
  const std::string holder = fence_holder(tag ? *tag : random_token());
  if (!tag) raise_fence(*files, layout.fence(), holder);
  return behind_fence(std::move(files), layout.fence(), holder, [](const Path& changed) {
    log_error("change {}: this process's attempt is over, and the run goes on elsewhere", changed.string());
    std::_Exit(kExitUnavailable);
  });
}

std::unique_ptr<BatchLoader> training_loader(const Configuration& configuration, const Components& components, const Communicator& ranks) {
  const BatchPlan plan{.dataset_samples = components.data.training->size(),
                       .global_batch_size = configuration.data.global_batch_size,
                       .drop_last = configuration.data.drop_last,
                       .shuffle = configuration.data.shuffle,
                       .seed = static_cast<std::uint64_t>(configuration.run.seed),
                       .rank = ranks.rank(),
                       .world_size = ranks.size()};
  epoch_shape(plan.dataset_samples, plan.global_batch_size, plan.drop_last, 1);  // refuses data that give no batch
  return make_loader(components.data.training, plan, configuration.data.prefetch_batches);
}

nlohmann::json bytes_of(const std::vector<StateEntry>& entries) {
  std::uint64_t replicated = 0, per_rank = 0;
  for (const StateEntry& entry : entries) (entry.info.kind == TensorKind::per_rank ? per_rank : replicated) += entry.info.bytes();
  return {{"replicated_bytes", replicated}, {"per_rank_bytes", per_rank}};
}

/// What only the task and the data know. In bytes of tensors, without the heads of files.
nlohmann::json describe_sizes(const Configuration& configuration, const Components& components) {
  const std::vector<StateEntry> entries =
      training_state(*components.task, Optimization(configuration, named_parameters(components.task->model())), components.copies);
  const nlohmann::json state = bytes_of(entries);
  nlohmann::json transforms = nlohmann::json::object();
  for (const TransformedWeights& transform : components.copies.transforms()) transforms[transform.name] = bytes_of(transform.entries());
  std::int64_t parameters = 0;
  for (const at::Tensor& parameter : components.task->model().parameters()) parameters += parameter.numel();
  return {{"training_samples", components.data.training->size()},
          {"validation_samples", components.data.validation ? components.data.validation->size() : 0},
          {"parameters", parameters},
          {"tensors", entries.size()},
          {"replicated_bytes", state["replicated_bytes"]},
          {"per_rank_bytes", state["per_rank_bytes"]},
          {"weights", bytes_of(weights_of(entries))},
          {"transforms", std::move(transforms)}};
}

/// Rank 0 looks after them. Before MPI begins: a process is started.
std::vector<Deadline> deadlines(const TrainerOptions& trainer, double started) {
  std::vector<Deadline> found;
  if (environment::launcher_rank() != 0) return found;
  const auto told = environment::get(environment::kStarted);  // of the supervisor: its restarts are of the same start
  const double run_started = told ? std::atof(told->c_str()) : started;
  if (const auto seconds = duration_from(trainer.max_time)) found.push_back({run_started + *seconds, 0, "trainer.max_time ends"});
  const JobEnd job = job_end();
  // Of a short job half is trained in: with the whole margin it would stop at once, and come back to do the same.
  if (job.unix_seconds)
    found.push_back(
        {*job.unix_seconds, std::clamp((*job.unix_seconds - run_started) / 2, 0.0, trainer.stop_margin_seconds), "the Slurm job ends"});
  if (!job.problem.empty()) log_warning("the run does not know when its Slurm job ends, and will not stop before: {}", job.problem);
  return found;
}

Progress::Style progress_style() {
  const bool is_supervised = environment::get(environment::kSupervisor).has_value();  // the supervisor draws the bar
  return !is_supervised && is_stdout_a_terminal() ? Progress::Style::bar : Progress::Style::lines;
}

/// Standard output, for the description alone: what a plugin prints there goes to standard error from here on.
class DescriptionOutput {
 public:
  DescriptionOutput() : file_(::fdopen(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), "w")) {
    if (!file_ || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
      throw Error(to_string({.attempted = "set standard output aside", .cause = std::strerror(errno)}), kExitSoftware);
  }
  ~DescriptionOutput() { std::fclose(file_); }
  DescriptionOutput(const DescriptionOutput&) = delete;
  DescriptionOutput& operator=(const DescriptionOutput&) = delete;
  void print(const nlohmann::json& description) { fmt::print(file_, "{}\n", description.dump()); }

 private:
  std::FILE* file_;
};

}  // namespace

int run_training(const TrainArguments& arguments, Heartbeat* heartbeat) {
  SectionTracker sections(heartbeat);
  sections.recompute_until(environment::get_number(environment::kReachedStep, std::int64_t{0}));
  keep_freed_memory();
  std::optional<DescriptionOutput> output;
  if (arguments.is_describe_only) output.emplace();
  const Configuration configuration = read_configuration(arguments);
  // What is only looked at needs no GPU, and may be asked for where there is none.
  const bool is_training = !arguments.is_check_only && !arguments.is_describe_only;
  const std::unique_ptr<Device> device = is_training ? open_device(configuration) : make_cpu_device();
  Components components = build(configuration, device->place(), arguments.is_check_only, heartbeat);
  if (arguments.is_check_only) {
    fmt::print("{}: ok\n", arguments.config);
    return kExitOk;
  }
  if (arguments.is_describe_only) {
    output->print(describe_sizes(configuration, components));
    return kExitOk;
  }
  const SystemClock clock;
  const RunLayout layout{std::filesystem::absolute(configuration.run.directory)};
  std::vector<Deadline> ends = deadlines(configuration.trainer, clock.unix_seconds());
  const std::unique_ptr<Communicator> hosts =
      make_mpi_communicator(sections, configuration.parallel.shared_memory ? HostTransport::shared_memory : HostTransport::mpi);
  set_up_log(fmt::format("rank {}", hosts->rank()));
  if (heartbeat) stand_by(*heartbeat, sections);
  install_stop_handlers();
  if (heartbeat) heartbeat->block().takes_stop_requests = 1;
  const std::unique_ptr<RunLock> lock = lock_run(layout, *make_posix_file_system(), *hosts);
  const std::unique_ptr<FileSystem> files = fenced_files(layout, hosts->rank());
  std::optional<OwnTimes> times;
  if (!heartbeat) times.emplace(*files, layout, hosts->rank(), sections);
  const int attempt = environment::get_number(environment::kAttempt, 1);
  const std::unique_ptr<Communicator> devices =
      connect(*device, {*hosts, sections, clock, heartbeat, layout.operations(attempt, hosts->rank())});
  Communicator* const ranks = devices ? devices.get() : hosts.get();
  InjectionPlan injections(arguments.injections, ranks->rank(), *files, layout.injected());
  injections.on_flip([&components] { flip_a_bit(components.task->model()); });
  sections.on_point([&injections](Section section, std::int64_t step) { injections.at_point(section, step); });

  const std::int64_t threads = set_threads(configuration, *ranks);
  set_determinism(configuration.trainer.determinism);
  const std::unique_ptr<BatchLoader> training = on_device(training_loader(configuration, components, *ranks), device->place());
  const std::unique_ptr<BatchLoader> validation = on_device(validation_loader(configuration, components, *ranks), device->place());
  Trainer trainer({*ranks, *files, clock, sections, heartbeat, *components.task, *training, validation.get(), components.copies,
                   components.callbacks, components.metrics},
                  configuration, to_json(configuration),
                  {.layout = layout,
                   .attempt = attempt,
                   .first_attempt = environment::get_number(environment::kFirstAttempt, attempt),
                   .threads_per_rank = threads,
                   .progress = progress_style(),
                   .deadlines = std::move(ends),
                   .device = device->facts()});
  injections.on_bad_number([&trainer](FaultKind kind) { trainer.spoil(kind); });
  const RunEnd end = trainer.run();
  ranks->close();
  return end == RunEnd::stopped ? kExitTemporary : kExitOk;
}

}  // namespace holdfast
