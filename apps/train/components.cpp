#include "apps/train/components.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file_system.h"
#include "base/host.h"
#include "base/log.h"
#include "callbacks/built_in.h"
#include "data/built_in.h"
#include "data/prefetch_loader.h"
#include "options/metric_name.h"
#include "tasks/built_in.h"
#include "trainer/precision/autocast.h"
#include "trainer/recomputation/recomputation.h"
#include "trainer/registry.h"
#include "trainer/weights/built_in_transforms.h"

namespace holdfast {
namespace {

/// Each once: a library registers all that it has.
std::set<std::filesystem::path> plugins_of(const Configuration& configuration, const std::filesystem::path& directory) {
  std::set<std::filesystem::path> plugins;
  const auto add = [&](const std::string& plugin) {
    if (!plugin.empty()) plugins.insert((directory / plugin).lexically_normal());
  };
  add(configuration.task.plugin);
  for (const auto& [name, transform] : configuration.transforms) add(transform.plugin);
  for (const auto& [name, callback] : configuration.callbacks) add(callback.plugin);
  return plugins;
}

/// Throws ConfigError for a metric that the task must not call so.
void require_names(const std::vector<Metric>& metrics, const Configuration& configuration) {
  std::set<std::string> names;
  for (const Metric& metric : metrics)
    if (!is_metric_name(metric.name) || !names.insert(metric.name).second)
      throw ConfigError(ErrorText{
          .attempted = fmt::format("{}: task {}", configuration.tree.where("task"), configuration.task.name),
          .expected = fmt::format("metrics with names of letters, digits and _, each once, and none of {}", fmt::join(kTakenNames, ", ")),
          .found = fmt::format("'{}'", metric.name),
          .next = "rename it in the task's metrics()"});
}

/// Those that the run measures, as monitors know them.
std::vector<std::string> measured_metrics(const Configuration& configuration, const std::vector<Metric>& metrics,
                                          bool has_validation_data) {
  std::vector<std::string> names = {kTrainLoss};
  if (!has_validation_data || !is_ever_due(configuration.validation)) return names;
  names.push_back(std::string(kValidationPrefix) + "loss");
  for (const Metric& metric : metrics) names.push_back(kValidationPrefix + metric.name);
  return names;
}

/// As the trainer runs it.
std::unique_ptr<Task> make_task(const Registry& registry, const ComponentContext& context, const Configuration& configuration) {
  std::unique_ptr<Task> task = registry.make_task(configuration.task, context);
  if (configuration.trainer.recompute == Recomputation::stages) try {
      task = with_recomputation(std::move(task));
    } catch (const std::invalid_argument& error) {
      throw ConfigError(ErrorText{.attempted = configuration.tree.where("trainer.recompute") + ": trainer.recompute: stages",
                                  .expected = "a task in stages, as gpt is",
                                  .found = "'" + configuration.task.name + "'",
                                  .cause = error.what(),
                                  .next = "remove the key, or derive the task from StagedTask (trainer/staged_task.h)"});
    }
  return with_precision(std::move(task), configuration.precision.compute);
}

}  // namespace

Components build(const Configuration& configuration, at::Device place, bool is_check_only, Heartbeat* heartbeat) {
  const Path directory = std::filesystem::absolute(configuration.file).parent_path();
  Registry registry(heartbeat);
  register_built_in_tasks(registry);
  register_built_in_data(registry);
  register_built_in_transforms(registry);
  register_built_in_callbacks(registry);
  for (const std::filesystem::path& plugin : plugins_of(configuration, directory)) registry.load_plugin(plugin.string());
  ComponentContext context{.directory = directory.string(), .is_check_only = is_check_only, .configuration = configuration.tree};
  torch::manual_seed(static_cast<std::uint64_t>(configuration.run.seed));  // of the initial weights
  Components components{.task = make_task(registry, context, configuration)};
  if (!place.is_cpu()) components.task->model().to(place);
  components.metrics = components.task->metrics();
  require_names(components.metrics, configuration);
  components.data = registry.make_data(configuration.data, context);
  context.task = components.task.get();
  context.metrics = measured_metrics(configuration, components.metrics, is_check_only || components.data.validation);
  require_measured(configuration.checkpoints, configuration.tree, context.metrics);
  require_measured(configuration.schedules, configuration.tree, context.metrics);
  components.copies = WeightCopies(configuration, registry, context, components.task->model());
  components.callbacks = CallbackList(configuration, registry, context);
  return components;
}

namespace {

/// Collective. Whether the ranks of each host may use the same cores: a launcher that binds ranks has given each its own.
bool share_their_cores(Communicator& ranks) {
  std::map<std::string, std::set<std::string>> cores_of_host;
  for (const std::string& one : ranks.gather(fmt::format("{} {}", usable_cores_digest(), host_name()), 0))
    cores_of_host[one.substr(one.find(' '))].insert(one.substr(0, one.find(' ')));
  std::byte are_shared{std::all_of(cores_of_host.begin(), cores_of_host.end(), [](const auto& host) { return host.second.size() == 1; })};
  ranks.broadcast(std::span(&are_shared, 1), 0);
  return are_shared != std::byte{0};
}

void bind_to_cores(Communicator& ranks) {
  if (!share_their_cores(ranks))
    log_info("parallel.bind_to_cores: the launcher has bound the ranks to cores already");
  else if (!keep_cores(ranks.local_rank(), ranks.local_size()))
    log_warning("parallel.bind_to_cores: this host has fewer cores ({}) than ranks ({}); they share them", usable_cores(),
                ranks.local_size());
}

}  // namespace

std::int64_t set_threads(const Configuration& configuration, Communicator& ranks) {
  std::int64_t threads = configuration.trainer.threads_per_rank.value_or(std::max(1, usable_cores() / ranks.local_size()));
  ranks.broadcast(std::as_writable_bytes(std::span(&threads, 1)), 0);
  if (configuration.parallel.bind_to_cores) bind_to_cores(ranks);
  at::set_num_threads(static_cast<int>(threads));
  at::init_num_threads();  // now, in this thread: the number is otherwise looked up at its first parallel loop
  return threads;
}

void set_determinism(Determinism determinism) {
  if (determinism == Determinism::fast) return;
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

std::unique_ptr<BatchLoader> validation_loader(const Configuration& configuration, const Components& components,
                                               const Communicator& ranks) {
  if (!components.data.validation) return nullptr;
  const BatchPlan plan{.dataset_samples = components.data.validation->size(),
                       .global_batch_size = configuration.validation.batch_size.value_or(configuration.data.global_batch_size),
                       .shuffle = false,
                       .seed = static_cast<std::uint64_t>(configuration.run.seed),
                       .rank = ranks.rank(),
                       .world_size = ranks.size()};
  return make_loader(components.data.validation, plan, configuration.data.prefetch_batches, "validation data");
}

}  // namespace holdfast
