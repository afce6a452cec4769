// The optimizers of a run with their schedules: who owns which parameter, one reduction, one update. Training thread only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dist/communicator.h"
#include "options/run_options.h"
#include "trainer/optimization/optimizer.h"
#include "trainer/optimization/plateau.h"
#include "trainer/precision/gradient_scaler.h"

namespace holdfast {

class Optimization {
 public:
  /// Gives each trained parameter to the optimizer with the longest matching prefix, the rest to the one without prefixes.
  /// `frozen` prefixes get no gradient. Throws ConfigError: a parameter of nobody, an optimizer without parameters, a prefix
  /// that matches nothing.
  Optimization(const Configuration& configuration, std::vector<NamedParameter> parameters);

  /// Where schedules without total_steps end.
  void set_last_step(std::int64_t last_step) { last_step_ = last_step; }
  void zero();
  /// Collective: the gradients of all optimizers (or of one) summed over the ranks, as GradientBuckets::all_reduce.
  int all_reduce(Communicator& ranks, bool contributes);
  void all_reduce(Communicator& ranks, Optimizer& optimizer);
  /// As GradientBuckets::reduce_during_backward, if there is one optimizer: of several, buckets of one and of another would be started in
  /// an order that is not the same on every rank.
  void reduce_during_backward(Communicator& ranks);
  /// As GradientBuckets::squares, of all optimizers.
  double squares(int part, int parts) const;
  void spoil_next(bool does_spoil);
  /// Before every backward pass, as GradientBuckets::prepare_backward.
  void prepare_backward();
  /// What the backward passes of automatic optimization start from: the power of two next to 1 / samples of an update. With a
  /// batch of 128, say, gradients of a sum then add up to the mean, and no pass over them has to divide. Times the gradient scale.
  double gradient_seed() const;
  /// The same where a task steps its optimizers itself: 1 without a gradient scaler.
  double manual_seed() const { return scaler_.is_on() ? gradient_seed() : 1.0; }
  const GradientScaler& scaler() const { return scaler_; }
  void restore_scale(const GradientScale& state) { scaler_.restore(state); }
  /// An optimizer (under automatic optimization: all of them) is not stepped, because its gradients have overflowed.
  void count_skipped() { scaler_.count_skipped(); }
  /// As GradientScaler::take.
  void take_in_update(bool has_overflowed) { scaler_.take(has_overflowed); }
  /// Likewise, where gradients may wait for an update: they are multiplied as the scale is.
  void take_in_batch(bool has_overflowed);
  /// Gradients that wait for an update are multiples of another seed now.
  void multiply_waiting(double factor);
  /// What gradients of automatic optimization are divided by, so that they are means over the global `count`.
  double divisor(std::int64_t count) const;
  /// Updates with the mean gradient over the global `count` of samples (or tokens) that the loss has counted, clipped to
  /// `clip_norm`. `norm`: of their sum.
  void step(std::int64_t count, double norm);
  /// One optimizer, with its gradients divided by `divisor`. `norm`: theirs, undivided.
  void step(Optimizer& optimizer, double divisor, double norm);

  Optimizer& find(const std::string& name);
  std::int32_t index_of(const Optimizer& optimizer) const;
  /// Lets schedules of type plateau take in a validation of `weights` (an average; empty: the model), whose metrics have the names that
  /// monitors know.
  void take_in(const std::map<std::string, double>& metrics, const std::string& weights);
  const std::map<std::string, Plateau>& plateaus() const { return plateaus_; }
  /// Those of schedules that are no longer there, or of another type, are dropped.
  void set_plateaus(const std::map<std::string, Plateau>& plateaus);
  /// The lr of the next update.
  double lr(const Optimizer& optimizer) const;
  /// Completed updates of all optimizers.
  std::int64_t updates() const;
  std::vector<std::unique_ptr<Optimizer>>& all() { return optimizers_; }
  const std::vector<std::unique_ptr<Optimizer>>& all() const { return optimizers_; }

 private:
  std::map<std::string, ScheduleOptions> schedules_;
  std::map<std::string, Plateau> plateaus_;  // of all schedules of that type
  std::optional<double> clip_norm_;
  GradientScaler scaler_;
  std::int64_t update_samples_;
  std::int64_t last_step_ = 0;
  std::vector<std::unique_ptr<Optimizer>> optimizers_;
};

}  // namespace holdfast
