// Ends a run whose validations get no better: after `patience` validations in a row without an improvement, at a value that is not finite,
// or beyond a threshold. What was seen is stored with the state and restored exactly; what it is held against is the new configuration's.
// After lightning.pytorch.callbacks.EarlyStopping, which restores the old patience, and trains on when a run that it has ended is resumed.
#pragma once

#include <optional>
#include <vector>

#include "options/run_options.h"
#include "trainer/callback.h"

namespace holdfast {

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  Mode mode = Mode::min;
  std::int64_t patience = 3;  // validations
  double min_delta = 0;       // what is better by no more is no improvement
  bool check_finite = true;
  std::optional<double> stopping_threshold;    // good enough
  std::optional<double> divergence_threshold;  // too bad
  std::int64_t min_steps = 0;                  // updates before which the run is not ended
  void describe(FieldVisitor& visitor);
};

/// Throws ConfigError: a metric that is none of a validation's `metrics`.
void require_consistent(const EarlyStoppingOptions& options, const OptionTree& tree, const std::vector<std::string>& metrics);

class EarlyStopping final : public Callback {
 public:
  explicit EarlyStopping(const EarlyStoppingOptions& options) : options_(options) {}
  void on_validation_end(const RunView& run, const std::map<std::string, double>& metrics, Communicator&) override;
  bool may_end() const override { return true; }
  std::optional<std::string> end_reason() const override;
  nlohmann::json state() const override;
  void restore(const nlohmann::json& state) override;

 private:
  bool is_better(double value, double than, double delta) const;
  EarlyStoppingOptions options_;
  std::optional<double> best_;    // finite
  std::optional<double> newest_;  // of the newest validation
  std::int64_t best_step_ = 0, newest_step_ = 0;
  std::int64_t waited_ = 0;  // validations since the best
  std::string weights_;      // the average that was measured; empty: the model. Of others nothing follows
};

}  // namespace holdfast
