// One update: batches, gradients, the vote, the optimizer. Collective; training thread only. No rank acts alone on a fact
// that only it knows: one that throws finishes the step's collectives with zeros and says so in the vote.
#pragma once

#include <functional>

#include "base/section.h"
#include "checkpoint/engine/checkpointer.h"
#include "dist/communicator.h"
#include "trainer/callback_list.h"
#include "trainer/data_source.h"
#include "trainer/optimization.h"
#include "trainer/run_state.h"
#include "trainer/task.h"
#include "trainer/weight_copies.h"

namespace holdfast {

class TrainingStep {
 public:
  struct Dependencies {
    Communicator& ranks;
    SectionTracker& sections;
    Task& task;
    BatchLoader& loader;
    Optimization& optimization;
    std::int64_t accumulate_batches;
    Checkpointer* checkpointer = nullptr;  // null: nothing is saved while it runs
    WeightCopies* copies = nullptr;        // null: no averages
    CallbackList* callbacks = nullptr;     // null: none, and `view` is not asked for
    std::function<RunView()> view = {};
  };
  explicit TrainingStep(const Dependencies& dependencies) : d_(dependencies) {}

  /// Collective, blocks. Consumes the batches of one update (under manual optimization: one batch, with whatever steps the
  /// task takes) and moves `state` on. Returns the combined vote: loss, count, who was asked to stop. Rethrows this rank's
  /// own failure; throws PeerLost for another rank's, and Error when the gradient is not finite: nothing was updated then.
  Vote run(RunState& state);
  /// Of what run() has thrown: every rank has thrown because of the same vote, and nothing was updated.
  bool is_failure_agreed() const { return is_failure_agreed_; }

 private:
  class ManualSteps;
  Vote run_automatic(RunState& state);
  Vote run_manual(RunState& state);
  void add_gradient(Vote& mine, std::int64_t step);
  void act_on_failures(const Vote& facts, const std::exception_ptr& mine, std::int64_t step);
  /// Collective, after a failure in the first update of a run. Throws FutileError where the task failed on every rank alike: with the same
  /// batches it would do so again.
  void end_if_futile(const std::exception_ptr& mine);
  std::string call_name(std::int32_t call) const;
  Vote my_vote() const;
  template <class Call>
  void each_callback(const char* method, Call call) {
    if (!d_.callbacks || d_.callbacks->empty()) return;
    const RunView view = d_.view();
    d_.callbacks->each(method, [&](Callback& callback) { call(callback, view); });
  }
  /// Of the optimizers that are about to be stepped. `norm`: of their mean gradient.
  void announce_step(const Optimizer& optimizer, double norm);
  /// Before an optimizer changes what a save in flight may still be copying.
  void begin_update(std::int64_t step);
  bool is_epoch_over(const RunState& state) const { return state.samples_seen % d_.loader.epoch_samples() == 0; }
  Dependencies d_;
  bool is_failure_agreed_ = false;
  std::string shapes_;  // of the fields of this rank's newest batch, in the first update
};

}  // namespace holdfast
