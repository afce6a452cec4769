// TrainingStep: a batch of a task that steps its optimizers itself.
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "base/error.h"
#include "base/log.h"
#include "trainer/optimization/gradient_memory.h"
#include "trainer/training_step.h"

namespace holdfast {
namespace {

constexpr std::int32_t kEndOfBatch = 0;  // in Vote::lowest_call; above it the optimizers, counted from 1

}  // namespace

std::string TrainingStep::call_name(std::int32_t call) const {
  if (call == kEndOfBatch) return "ends the batch";
  return "steps '" + parts_.optimization.all().at(static_cast<std::size_t>(call) - 1)->name() + "'";
}

/// What a task with manual optimization steps through. Each step votes before it reduces, so that a rank that has thrown
/// needs to know nothing of the collectives that the others are about to make: one vote answers them.
class TrainingStep::ManualSteps final : public ManualOptimization {
 public:
  /// `samples`: of the batch.
  ManualSteps(TrainingStep& owner, const RunState& state, SampleRange samples)
      : owner_(owner), state_(state), samples_(samples), step_(state.global_step + 1) {}

  void backward(const std::string& name, const Loss& loss) override {
    owner_.enter(Section::backward, step_);
    Optimizer& optimizer = owner_.parts_.optimization.find(name);
    std::vector<at::Tensor> inputs;
    for (const NamedParameter& parameter : optimizer.gradients().parameters()) inputs.push_back(parameter.tensor);
    const unsigned hook = loss.sum.register_hook([&sections = owner_.parts_.sections](const at::Tensor&) { sections.point(); });
    optimizer.gradients().prepare_backward();
    {
      const GradientMemory memory(owner_.parts_.ranks);
      torch::autograd::backward({loss.sum}, {at::full_like(loss.sum, owner_.parts_.optimization.manual_seed())}, /*retain_graph=*/true,
                                /*create_graph=*/false, inputs);
    }
    loss.sum.remove_hook(hook);  // the task may keep the loss, and go back through it again
    optimizer.gradients().add_loss(owner_.loss_of(loss), loss.count);
    owner_.each_callback("on_backward_end", [](Callback& callback, const RunView& view) { callback.on_backward_end(view); });
  }
  void step(const std::string& name) override {
    Optimizer& optimizer = owner_.parts_.optimization.find(name);
    Vote mine = owner_.my_vote();
    mine.lowest_call = mine.highest_call = owner_.parts_.optimization.index_of(optimizer) + 1;
    mine.loss_sum = optimizer.gradients().loss_sum();
    mine.count = optimizer.gradients().count();
    if (!std::isfinite(mine.loss_sum) || !optimizer.gradients().are_finite()) mine.nonfinite_rank = owner_.parts_.ranks.rank();
    const Vote facts = owner_.parts_.ranks.vote(mine);
    owner_.act_on_failures(facts, nullptr, step_);
    is_past_vote_ = true;
    has_stepped_ = true;
    if (skip_overflow(optimizer, facts)) return;
    require_good(facts);
    owner_.enter(Section::reduce, step_);
    owner_.parts_.sections.point();
    owner_.parts_.optimization.all_reduce(owner_.parts_.ranks, optimizer);
    const double norm = optimizer.gradients().norm();
    Vote reduced = facts;
    if (!std::isfinite(norm)) reduced.is_nonfinite = 1;  // on every rank alike: they have the same bits
    if (skip_overflow(optimizer, reduced)) return;
    require_good(reduced);
    owner_.begin_update(step_);
    const double divisor = static_cast<double>(std::max<std::int64_t>(facts.count, 1)) * owner_.parts_.optimization.manual_seed();
    owner_.announce_step(optimizer, norm / divisor);
    owner_.parts_.optimization.step(optimizer, divisor, norm);
    optimizer.gradients().zero();
    is_past_vote_ = false;
    combine(total_, facts);
  }
  const Vote& total() const { return total_; }
  /// After the vote that ends the batch: the gradient scale, by what all ranks know.
  void end_batch() {
    if (has_stepped_) owner_.parts_.optimization.take_in_batch(has_overflowed_);
  }
  /// The others have been told that all is well: no vote of theirs answers what fails here.
  bool is_past_vote() const { return is_past_vote_; }

 private:
  /// Whether the gradients of this optimizer have overflowed, so that it is not stepped; the scale falls when the batch is over.
  bool skip_overflow(Optimizer& optimizer, const Vote& facts) {
    const GradientScaler& scaler = owner_.parts_.optimization.scaler();
    if (!scaler.explains(facts)) return false;
    has_overflowed_ = true;
    owner_.parts_.optimization.count_skipped();
    optimizer.gradients().zero();
    is_past_vote_ = false;
    if (owner_.parts_.ranks.rank() == 0)
      log_info("update {} is made without '{}': its gradients have overflowed in fp16 with the gradient scale {}", step_, optimizer.name(),
               scaler.scale());
    return true;
  }
  /// Throws where numbers are bad: what this batch has stepped already cannot be taken back, but a checkpoint can be gone back to.
  void require_good(const Vote& facts) {
    const std::optional<BadUpdate> bad = owner_.judge_update(facts, {});
    if (bad) owner_.answer_bad_update(*bad, samples_, state_);
  }
  TrainingStep& owner_;
  const RunState& state_;
  SampleRange samples_;
  std::int64_t step_;
  Vote total_;
  bool is_past_vote_ = false, has_stepped_ = false, has_overflowed_ = false;
};

Vote TrainingStep::run_manual(RunState& state) {
  const std::int64_t step = state.global_step + 1, samples = parts_.loader.next_global_samples();
  ManualSteps steps(*this, state, {state.samples_seen, state.samples_seen + samples});
  std::exception_ptr failure;
  try {
    enter(Section::data, step);
    parts_.sections.point();
    const Batch batch = parts_.loader.next();
    note_shapes(batch, step);
    enter(Section::forward, step);
    parts_.sections.point();
    each_callback("on_batch_start", [&](Callback& callback, const RunView& view) { callback.on_batch_start(view, batch); });
    parts_.task.train_batch(batch, steps);
  } catch (const PeerLost&) {
    throw;  // the vote has been taken
  } catch (...) {
    if (steps.is_past_vote()) throw;
    failure = std::current_exception();
  }
  Vote mine = my_vote();
  mine.lowest_call = mine.highest_call = kEndOfBatch;
  if (failure) mine.failed_rank = parts_.ranks.rank();
  Vote facts = parts_.ranks.vote(mine);
  act_on_failures(facts, failure, step);
  steps.end_batch();
  ++state.batch_index;
  state.samples_seen += samples;
  combine(facts, steps.total());
  return facts;
}

}  // namespace holdfast
