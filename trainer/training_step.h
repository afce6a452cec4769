// One update: batches, gradients, the vote, the optimizer. Collective; training thread only. No rank acts alone on a fact
// that only it knows: one that throws finishes the step's collectives with zeros and says so in the vote.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/injection.h"
#include "base/section.h"
#include "checkpoint/engine/checkpointer.h"
#include "dist/communicator.h"
#include "trainer/bad_numbers/bad_numbers.h"
#include "trainer/bad_numbers/left_out.h"
#include "trainer/batch_loader.h"
#include "trainer/callback_list.h"
#include "trainer/optimization/optimization.h"
#include "trainer/state/run_state.h"
#include "trainer/step_profile.h"
#include "trainer/stopping/poll_interval.h"
#include "trainer/task.h"
#include "trainer/weights/weight_copies.h"

namespace holdfast {

class TrainingStep {
 public:
  struct Parts {
    Communicator& ranks;
    SectionTracker& sections;
    Task& task;
    BatchLoader& loader;
    Optimization& optimization;
    std::int64_t accumulate_batches;
    bool overlaps = true;                  // the reduction of gradients and the pass that computes them
    Checkpointer* checkpointer = nullptr;  // null: nothing is saved while it runs
    WeightCopies* copies = nullptr;        // null: no averages
    CallbackList* callbacks = nullptr;     // null: none, and `view` is not asked for
    std::function<RunView()> view = {};
    const TrainerOptions* options = nullptr;      // null: bad numbers end the run
    LeftOut* left_out = nullptr;                  // null: likewise, and nothing is left out
    int attempt = 1;                              // for that list
    const Clock* clock = nullptr;                 // null: between the batches of an update nobody asks for a stop
    std::function<bool()> wants_stop = {};        // does this rank? null: if a signal has come
    StepProfile* profile = nullptr;               // null: nothing is measured
    std::function<void()> undo_until_group = {};  // buffers and generators are as they were when run() was called
  };
  explicit TrainingStep(const Parts& parts) : parts_(parts) {}

  /// Collective, blocks. Consumes the batches of one update (under manual optimization: one batch, with whatever steps the
  /// task takes) and moves `state` on. Returns the combined vote: loss, count, who was asked to stop. Nothing is updated, and loss and
  /// count are 0, where those batches are left out, or are from now on because their numbers are bad, and where gradients have overflowed,
  /// so that their scale falls; nothing is even consumed where a stop is agreed on between two of them. Rethrows this rank's own failure;
  /// throws PeerLost for another rank's, FutileError or RolledBack where bad numbers end the run or the attempt: nothing was updated then.
  Vote run(RunState& state);
  /// May the next run() come back without having consumed what it began? Then undo_until_group has to be possible.
  bool may_come_to_nothing() const;
  /// For the injected faults `nan` and `spike`: within a backward pass, which it spoils.
  void spoil(FaultKind kind);
  /// Of what run() has thrown: every rank has thrown because of the same vote, and nothing was updated.
  bool is_failure_agreed() const { return is_failure_agreed_; }

 private:
  class ManualSteps;
  /// The batches of an update, as far as this rank has come.
  struct Group {
    Vote mine;
    std::exception_ptr failure;
    Section failed_section{};
    std::optional<Vote> stop;  // the vote by which all ranks drop the group
  };
  Vote run_automatic(RunState& state);
  Vote run_manual(RunState& state);
  void compute(Group& group, RunState& state);
  /// `is_last`: of the update, so that its gradients may be reduced while they are computed.
  void add_gradient(Vote& mine, std::int64_t step, bool is_last);
  /// The vote on the group, when its gradients are reduced.
  Vote reduce(Group& group, double& norm, std::int64_t step);
  /// Collective, between two batches of a group: whether all ranks drop it.
  std::optional<Vote> agree_on_stop(const Group& group);
  /// Consumes the batches at the position that are left out; nullopt: none is.
  std::optional<Vote> leave_out(RunState& state);
  std::optional<BadUpdate> judge_update(const Vote& facts, const std::vector<double>& recent) const;
  /// Collective. False: the update is not made, and its batches are left out. Throws where the run or the attempt ends.
  bool answer_bad_update(BadUpdate bad, SampleRange samples, const RunState& state);
  /// Whether the gradients of this update have overflowed, so that it is not made: the gradient scale falls.
  bool skip_overflow(const Vote& facts, std::int64_t step);
  /// What the loss of a backward pass adds up to, once the pass is over; injected faults spoil it here.
  double loss_of(const Loss& loss);
  const TrainerOptions& options() const;
  void act_on_failures(const Vote& facts, const std::exception_ptr& mine, std::int64_t step);
  /// Collective, after a failure in the first update of a run. Throws FutileError where the task failed on every rank alike: with the same
  /// batches it would do so again.
  void end_if_futile(const std::exception_ptr& mine);
  std::string call_name(std::int32_t call) const;
  void note_shapes(const Batch& batch, std::int64_t step);
  Vote my_vote() const;
  void enter(Section section, std::int64_t step);
  template <class Call>
  void each_callback(const char* method, Call call) {
    if (!parts_.callbacks || parts_.callbacks->empty()) return;
    const RunView view = parts_.view();
    parts_.callbacks->each(method, [&](Callback& callback) { call(callback, view); });
  }
  /// Of the optimizers that are about to be stepped. `norm`: of their mean gradient.
  void announce_step(const Optimizer& optimizer, double norm);
  /// Before an optimizer changes what a save in flight may still be copying.
  void begin_update(std::int64_t step);
  bool is_epoch_over(const RunState& state) const { return state.samples_seen % parts_.loader.epoch_samples() == 0; }
  Parts parts_;
  bool is_failure_agreed_ = false;
  PollInterval polls_;
  std::optional<FaultKind> spoiled_;
  std::string shapes_;  // of the fields of this rank's newest batch, in the first update
};

}  // namespace holdfast
