// What a user may bring to look at a run and to end it, beside task and data: stopping early, measuring, printing. It knows nothing of
// files. Registered by a plugin: Registry::add_callback; one object a rank, called by the training thread of each rank in the order of
// `callbacks:`.
//
// The order of the calls:
//   on_fit_start                                 state is restored, the first batch not drawn
//   for each update:
//     on_epoch_start                             before the first update of a pass over the training data
//     for each batch:  on_batch_start, on_backward_end
//     on_optimizer_step                          for each optimizer that is stepped, when all ranks have agreed to
//     on_step_end                                then a line of metrics is written where one is due
//     on_epoch_end                               after the last update of a pass
//     on_validation_start, on_validation_end     where a validation is due
//     end_reason                                 asked; then a state is saved where one is due
//   on_fit_end                                   finished, ended or stopped
// With several batches an update, or a task that steps its optimizers itself, the calls in the middle come as often as they happen. A save
// ends behind the training: on_checkpoint comes before a step's on_step_end, or when the run waits for it.
//
// A method that gets a Communicator is called on every rank at the same point and may make collectives, the same on every rank. The others
// may not: a rank without samples has no on_backward_end, and the rank that fails is alone in on_exception. What a callback throws ends the
// attempt. Between on_step_end and on_validation_end it may change the model, the same way on every rank.
#pragma once

#include <exception>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "dist/communicator.h"
#include "trainer/run_state.h"

namespace torch::nn {
class Module;
}

namespace holdfast {

struct Batch;
struct SaveResult;

/// What a callback sees of the run.
struct RunView {
  const RunState& state;       // as of the newest completed update; equal on every rank
  std::int64_t last_step;      // the update after which the run ends
  std::int64_t epoch_samples;  // of one pass over the training data
  torch::nn::Module& model;
  const Clock& clock;  // each rank has its own
};

/// Of a completed update, over all ranks.
struct StepFacts {
  double loss_sum = 0;
  std::int64_t count = 0;  // samples (or tokens)
};

/// An update that is about to be made; equal on every rank.
struct OptimizerStep {
  std::string optimizer;
  double lr = 0;
  /// The 2-norm of the mean gradient before it is clipped: over all parameters, or over the optimizer's own where the task steps it itself.
  double gradient_norm = 0;
};

class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_fit_start(const RunView&, Communicator&) {}
  virtual void on_epoch_start(const RunView&, Communicator&) {}
  virtual void on_batch_start(const RunView&, const Batch&) {}
  /// This rank's gradients have this batch's added, and nobody else's.
  virtual void on_backward_end(const RunView&) {}
  virtual void on_optimizer_step(const RunView&, const OptimizerStep&) {}
  virtual void on_step_end(const RunView&, const StepFacts&, Communicator&) {}
  virtual void on_epoch_end(const RunView&, Communicator&) {}
  virtual void on_validation_start(const RunView&, Communicator&) {}
  /// With the metrics by name: val_loss, val_accuracy, ..., reduced over the ranks.
  virtual void on_validation_end(const RunView&, const std::map<std::string, double>&, Communicator&) {}
  /// A save has ended, well or not. When that is depends on the disk: it must have no influence on the result.
  virtual void on_checkpoint(const RunView&, const SaveResult&) {}
  virtual void on_exception(const RunView&, const std::exception&) {}
  virtual void on_fit_end(const RunView&, Communicator&) {}

  /// Rank 0: adds numbers to a line of kind train before it is written.
  virtual void add_metrics(nlohmann::json&) {}
  /// Why the run is to end here, as finished; asked on every rank after the calls of an update, after a validation, and after a restore.
  /// One rank that has a reason is enough. A function of what the callback has seen, so that a run which is started again ends where it had
  /// ended.
  virtual std::optional<std::string> end_reason() const { return std::nullopt; }
  /// What the next calls depend on; rank 0's is stored with every state, and given to every rank. Not called: there was none.
  virtual nlohmann::json state() const { return nullptr; }
  /// Options are those of the new configuration, whatever they were. Throws where `state` is not of this callback.
  virtual void restore(const nlohmann::json&) {}
};

}  // namespace holdfast
