#include "trainer/optimization/optimization.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "options/schedule.h"

namespace holdfast {
namespace {

bool has_prefix(const std::string& name, const std::string& prefix) {
  return name == prefix || (name.starts_with(prefix) && (prefix.ends_with('.') || name[prefix.size()] == '.'));
}

/// The optimizer that owns `parameter`, or empty.
std::string owner_of(const std::string& parameter, const std::map<std::string, OptimizerOptions>& optimizers) {
  std::string owner;
  std::size_t longest = 0;
  for (const auto& [name, options] : optimizers) {
    if (options.parameters.empty() && owner.empty()) owner = name;
    for (const std::string& prefix : options.parameters)
      if (has_prefix(parameter, prefix) && prefix.size() > longest) {
        owner = name;
        longest = prefix.size();
      }
  }
  return owner;
}

/// Two names of one tensor would be two gradients of it.
void require_distinct(const std::vector<NamedParameter>& parameters) {
  for (auto later = parameters.begin(); later != parameters.end(); ++later)
    for (auto first = parameters.begin(); first != later; ++first)
      if (first->tensor.is_same(later->tensor))
        throw ConfigError(ErrorText{.attempted = "train the model",
                                    .expected = "every parameter under one name",
                                    .found = fmt::format("one tensor that is registered as '{}' and as '{}'", first->name, later->name),
                                    .next = "register it once and use it in both places (tied weights)"});
}

void require_match(const std::string& where, const std::vector<std::string>& prefixes, const std::vector<NamedParameter>& parameters) {
  for (const std::string& prefix : prefixes)
    if (std::none_of(parameters.begin(), parameters.end(), [&](const NamedParameter& p) { return has_prefix(p.name, prefix); }))
      throw ConfigError(ErrorText{.attempted = where,
                                  .expected = "prefixes of parameter names (the first is '" + parameters.front().name + "')",
                                  .found = "'" + prefix + "', which matches none"});
}

}  // namespace

Optimization::Optimization(const Configuration& configuration, std::vector<NamedParameter> parameters)
    : schedules_(configuration.schedules),
      clip_norm_(configuration.trainer.clip_norm),
      scaler_(configuration.precision),
      update_samples_(configuration.data.global_batch_size * configuration.trainer.accumulate_batches) {
  for (const auto& [name, schedule] : schedules_)
    if (schedule.type == ScheduleKind::plateau) plateaus_[name] = {};
  require_distinct(parameters);
  require_match("trainer.frozen", configuration.trainer.frozen, parameters);
  for (const auto& [name, options] : configuration.optimizers)
    require_match("optimizers." + name + ".parameters", options.parameters, parameters);
  std::map<std::string, std::vector<NamedParameter>> owned;
  for (NamedParameter& parameter : parameters) {
    const auto is_frozen = [&](const std::string& prefix) { return has_prefix(parameter.name, prefix); };
    if (std::any_of(configuration.trainer.frozen.begin(), configuration.trainer.frozen.end(), is_frozen)) {
      parameter.tensor.set_requires_grad(false);
      continue;
    }
    const std::string owner = owner_of(parameter.name, configuration.optimizers);
    if (owner.empty())
      throw ConfigError(ErrorText{.attempted = "optimizers",
                                  .expected = "an owner for every parameter",
                                  .found = "none for '" + parameter.name + "'",
                                  .next = "add its prefix to `parameters` of an optimizer, or to trainer.frozen"});
    owned[owner].push_back(parameter);
  }
  const auto bucket_bytes = static_cast<std::size_t>(configuration.parallel.bucket_mib * 1024 * 1024);
  for (const auto& [name, options] : configuration.optimizers) {
    if (owned[name].empty()) throw ConfigError("optimizers." + name + ": it owns no parameter; the others or trainer.frozen take them all");
    optimizers_.push_back(std::make_unique<Optimizer>(name, options, bucket_bytes, std::move(owned[name])));
    optimizers_.back()->gradients().send_as(configuration.parallel.gradient_dtype);
  }
}

void Optimization::zero() {
  for (const auto& optimizer : optimizers_) optimizer->gradients().zero();
}

void Optimization::prepare_backward() {
  for (const auto& optimizer : optimizers_) optimizer->gradients().prepare_backward();
}

void Optimization::reduce_during_backward(Communicator& ranks) {
  if (optimizers_.size() == 1) optimizers_.front()->gradients().reduce_during_backward(ranks);
}

int Optimization::all_reduce(Communicator& ranks, bool contributes) {
  int lowest = -1;
  for (const auto& optimizer : optimizers_) {
    const int found = optimizer->gradients().all_reduce(ranks, contributes);
    if (found >= 0 && (lowest < 0 || found < lowest)) lowest = found;
  }
  return lowest;
}

void Optimization::all_reduce(Communicator& ranks, Optimizer& optimizer) { optimizer.gradients().all_reduce(ranks, true); }

double Optimization::squares(int part, int parts) const {
  double sum = 0;
  for (const auto& optimizer : optimizers_) sum += optimizer->gradients().squares(part, parts);
  return sum;
}

void Optimization::spoil_next(bool does_spoil) {
  for (const auto& optimizer : optimizers_) optimizer->gradients().spoil_next(does_spoil);
}

double Optimization::gradient_seed() const {
  return std::exp2(-std::round(std::log2(static_cast<double>(update_samples_)))) * scaler_.scale();
}

void Optimization::take_in_batch(bool has_overflowed) {
  const double before = scaler_.scale();
  if (scaler_.take(has_overflowed)) multiply_waiting(scaler_.scale() / before);
}

void Optimization::multiply_waiting(double factor) {
  if (factor == 1) return;
  for (const auto& optimizer : optimizers_) optimizer->gradients().multiply(factor);
}

double Optimization::divisor(std::int64_t count) const { return static_cast<double>(std::max<std::int64_t>(count, 1)) * gradient_seed(); }

void Optimization::step(std::int64_t count, double norm) {
  for (const auto& optimizer : optimizers_) step(*optimizer, divisor(count), norm);
}

void Optimization::step(Optimizer& optimizer, double divisor, double norm) {
  // As torch.nn.utils.clip_grad_norm_: a factor of clip / (norm + 1e-6), never above 1.
  const double factor = clip_norm_ ? std::min(1.0, *clip_norm_ / (norm / divisor + 1e-6)) : 1.0;
  optimizer.step(lr(optimizer), divisor / factor);
}

Optimizer& Optimization::find(const std::string& name) {
  for (const auto& optimizer : optimizers_)
    if (optimizer->name() == name) return *optimizer;
  throw ConfigError(ErrorText{.attempted = "step the optimizer '" + name + "'",
                              .expected = "a name under `optimizers:` (the first is '" + optimizers_.front()->name() + "')"});
}

std::int32_t Optimization::index_of(const Optimizer& optimizer) const {
  const auto found = std::find_if(optimizers_.begin(), optimizers_.end(), [&](const auto& mine) { return mine.get() == &optimizer; });
  return static_cast<std::int32_t>(found - optimizers_.begin());
}

double Optimization::lr(const Optimizer& optimizer) const {
  const std::string& schedule = optimizer.options().schedule;
  if (schedule.empty()) return optimizer.options().lr;
  const auto plateau = plateaus_.find(schedule);
  const double fallen = plateau == plateaus_.end() ? 1 : plateau->second.factor;
  return optimizer.options().lr * schedule_factor(schedules_, schedule, optimizer.updates(), last_step_) * fallen;
}

void Optimization::take_in(const std::map<std::string, double>& metrics, const std::string& weights) {
  for (auto& [name, plateau] : plateaus_) holdfast::take_in(plateau, schedules_.at(name), metrics.at(schedules_.at(name).monitor), weights);
}

void Optimization::set_plateaus(const std::map<std::string, Plateau>& plateaus) {
  for (auto& [name, plateau] : plateaus_)
    if (const auto stored = plateaus.find(name); stored != plateaus.end()) plateau = stored->second;
}

std::int64_t Optimization::updates() const {
  std::int64_t sum = 0;
  for (const auto& optimizer : optimizers_) sum += optimizer->updates();
  return sum;
}

}  // namespace holdfast
