#include "checkpoint/policy/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "checkpoint/policy/policy.h"

namespace holdfast {
namespace {

void add_multiples(std::set<std::int64_t>& steps, std::int64_t every, std::int64_t last) {
  for (std::int64_t step = every; every > 0 && step <= last; step += every) steps.insert(step);
}

template <class Options>
std::set<std::int64_t> periodic_steps(const Options& options, const Plan& plan) {
  std::set<std::int64_t> steps;
  add_multiples(steps, static_cast<std::int64_t>(options.every_steps.value_or(0)), plan.last_step);
  add_multiples(steps, options.every_epochs.value_or(0) * plan.epoch.updates, plan.last_step);
  if (options.at_end) steps.insert(plan.last_step);
  return steps;
}

/// How many states an entry holds at most: what its choice allows, the end, an exception, a signal, a last one.
std::int64_t most_of(const CheckpointOptions& entry, std::int64_t asks) {
  const Choice choice = choice_of(entry);
  const std::int64_t protected_best = choice.by == Choice::By::age && !entry.monitor.empty() && choice.count == 1 ? 1 : 0;
  const std::int64_t kept = choice.count < 0 ? asks : std::min(asks, choice.count + protected_best);
  const std::int64_t beside = choice.by == Choice::By::score || choice.count == 0 ? (entry.at_end ? 1 : 0) + (entry.save_last ? 1 : 0) : 0;
  return kept + beside + (entry.on_exception ? 1 : 0) + (entry.on_signal ? 1 : 0);
}

}  // namespace

Plan plan_run(Configuration configuration, std::int64_t dataset_samples) {
  const RunShape run = resolve_run(configuration, dataset_samples);
  Plan plan{.epoch = run.epoch, .last_step = run.last_step};
  const std::int64_t whole_epochs = plan.last_step / plan.epoch.updates, rest = plan.last_step % plan.epoch.updates;
  plan.batches = whole_epochs * plan.epoch.batches + rest * configuration.trainer.accumulate_batches;
  plan.epochs = static_cast<double>(plan.batches) / static_cast<double>(plan.epoch.batches);

  const std::set<std::int64_t> validations = periodic_steps(configuration.validation, plan);
  plan.validations.assign(validations.begin(), validations.end());
  std::set<std::int64_t> saves;
  for (const CheckpointOptions& entry : configuration.checkpoints) {
    std::set<std::int64_t> asks = periodic_steps(entry, plan);
    if (entry.after_validation) asks.insert(validations.begin(), validations.end());
    if (entry.save_last) asks.insert(plan.last_step);
    plan.asks[entry.name].assign(asks.begin(), asks.end());
    saves.insert(asks.begin(), asks.end());
    const auto count = static_cast<std::int64_t>(asks.size());
    if (entry.weights_only)  // what it keeps, and what it kept by the newest whole state; no more than it saves
      plan.most_weights += std::min(2 * most_of(entry, count), count + (entry.on_exception ? 1 : 0) + (entry.on_signal ? 1 : 0));
    else
      plan.most_states += most_of(entry, count);
    (entry.weights_only ? plan.weights_transforms : plan.state_transforms).insert(entry.transforms.begin(), entry.transforms.end());
  }
  plan.saves.assign(saves.begin(), saves.end());
  plan.most_states += plan.most_states == 0 ? 0 : 2;  // what the run goes on from, and the one that is being written
  plan.most_weights += plan.most_weights == 0 ? 0 : 1;
  return plan;
}

std::string steps_text(const std::vector<std::int64_t>& steps) {
  constexpr std::size_t kShown = 8;
  if (steps.empty()) return "never";
  if (steps.size() <= kShown) return fmt::format("{}", fmt::join(steps, ", "));
  return fmt::format("{}, {}, {}, … {}, {} ({} in all)", steps[0], steps[1], steps[2], steps[steps.size() - 2], steps.back(), steps.size());
}

}  // namespace holdfast
