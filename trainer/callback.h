// What a user may bring to look at a run and to end it, beside task and data: stopping early, measuring, printing. It knows nothing of
// files. Registered by a plugin: Registry::add_callback; one object a rank, called by the training thread of each rank, in the order of the
// names under `callbacks:`.
//
// The order of the calls:
//   restore                                      where the run goes on from a state that has one of this callback
//   on_fit_start, state                          the first batch is not drawn; then end_reason, unless a validation is owed
//   the calls of a validation, see below         only where a run was stopped before one that was due
//   for each update:
//     on_epoch_start                             before the first update of a pass over the training data
//     for each batch:  on_batch_start, on_backward_end
//     on_optimizer_step                          for each optimizer, before any is stepped, when all ranks have agreed to
//     on_step_end
//     on_epoch_end                               after the last update of a pass
//     end_reason                                 of those that may_end
//     add_metrics                                rank 0, where a line is due
//     state
//     on_validation_start, on_validation_end, texts (rank 0), end_reason, state
//                                                where a validation is due, and nobody has asked for a stop
//   on_fit_end                                   finished or ended: before the best weights are loaded (load_best_at_end), whose validation
//                                                is not told, and before DONE.json is written; stopped: after the last save
// end_reason is not asked where the run is over anyhow. A save, where one is due, comes after all calls of an update, and stores what state
// has returned last.
//
// on_checkpoint comes when a save has ended, well or not: before a step's on_step_end where it ended behind the training, else where the
// run waits for it: in the save itself (`asynchronous: false`), before the next one, at the end.
//
// An update that is not made because of bad numbers, or because gradients of fp16 have overflowed, has had on_batch_start and
// on_backward_end, but neither on_optimizer_step nor on_step_end; what a callback counts in the former stays counted. Batches that are left
// out from the start have no calls of their own.
// An update that a stop drops between two of its batches has had theirs; what is stored is the state before it. A validation that a stop
// breaks off has had on_validation_start alone; the next start calls it again, as it does on_epoch_start of a pass whose first update was
// dropped. An attempt that goes on in the middle of a pass has no on_epoch_start before the next one.
//
// A task that steps its optimizers itself makes one update of each batch here: with as many on_backward_end and on_optimizer_step (each
// before its step) as it makes of them, none included, and with on_step_end in any case but for a batch that is left out.
//
// An attempt that fails ends with on_exception on every rank that an exception ends, its own or that another rank is lost (PeerLost),
// instead of on_fit_end. It may come before on_fit_start, and a state is saved before it where an entry has on_exception.
//
// A method that gets a Communicator is called on every rank at the same point and may make collectives, the same on every rank. The others
// may not: a rank without samples may have no on_batch_start and on_backward_end, and in on_exception ranks are at different points.
// What a callback throws ends the attempt. From the on_step_end of an update to its on_validation_end it may change the model, the same way
// on every rank; not in on_validation_start, which may come twice, and not where the update was not made: a save may be copying then.
// It must not draw from LibTorch's generators, whose state is the run's: an attempt that was restored calls on_fit_start once more.
#pragma once

#include <exception>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "checkpoint/engine/save_result.h"
#include "dist/communicator.h"
#include "trainer/state/run_state.h"

namespace torch::nn {
class Module;
}

namespace holdfast {

struct Batch;

/// What a callback sees of the run.
struct RunView {
  const RunState& state;       // equal on every rank; within an update its position in the data is ahead of its step
  std::int64_t last_step;      // the update after which the run ends
  std::int64_t epoch_samples;  // of one pass over the training data
  torch::nn::Module& model;
  const Clock& clock;  // each rank has its own
};

/// Of a completed update, over all ranks; of a batch, where the task steps its optimizers itself.
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
  /// This rank's gradients have this batch's added. With parallel.overlap those of an update's last batch are being summed over the ranks.
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

  /// Rank 0: numbers, or objects of numbers, for a line of metrics of kind train, which has no such keys yet.
  virtual void add_metrics(nlohmann::json&) {}
  /// Rank 0, after on_validation_end: texts for people to look at. They go into the line of that validation, to TensorBoard and to the
  /// terminal.
  virtual std::vector<std::string> texts() { return {}; }
  /// True: end_reason is asked. The same on every rank, always.
  virtual bool may_end() const { return false; }
  /// Why the run is to end here, as finished. One rank that has a reason is enough. A function of what restore() brings back, so that a run
  /// which is started again ends where it had ended.
  virtual std::optional<std::string> end_reason() const { return std::nullopt; }
  /// What the next calls depend on; rank 0's is stored with every state, and given to every rank. null: nothing, and restore() is not
  /// called. Numbers that are not finite: number_to_json (base/json_value.h).
  virtual nlohmann::json state() const { return nullptr; }
  /// Options are those of the new configuration, whatever they were. Throws where `state` is not of this callback.
  virtual void restore(const nlohmann::json&) {}
};

}  // namespace holdfast
