#include "trainer/training_step.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <exception>

#include "base/error.h"
#include "base/injection.h"
#include "trainer/stop_request.h"
#include "trainer/thrown.h"

namespace holdfast {
namespace {

constexpr std::int32_t kEndOfBatch = 0;  // in Vote::lowest_call; above it the optimizers, counted from 1

/// "[64, 1, 28, 28], [64]"
std::string shapes_of(const Batch& batch) {
  std::string text;
  for (const at::Tensor& field : batch.fields) text += fmt::format("{}[{}]", text.empty() ? "" : ", ", fmt::join(field.sizes(), ", "));
  return text;
}

/// What the task itself has thrown; empty for what was injected, and for errors whose type says what is to be done.
std::string words_of_task(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const InjectedException&) {
    return {};
  } catch (const Error&) {
    return {};
  } catch (...) {
    return words_of(failure);
  }
}

/// Ranks whose batches differ in size tell the same failure with other numbers.
std::string without_numbers(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isdigit(c) != 0; });
  return text;
}

}  // namespace

Vote TrainingStep::run(RunState& state) {
  const std::int64_t updates_before = d_.optimization.updates();
  const Vote facts = d_.task.is_manual() ? run_manual(state) : run_automatic(state);
  if (d_.optimization.updates() > updates_before) {
    ++state.global_step;
    if (d_.copies) d_.copies->update(state.global_step);  // part of the update: what is saved has been copied before it began
  }
  for (const auto& optimizer : d_.optimization.all()) state.optimizer_updates[optimizer->name()] = optimizer->updates();
  state.window_loss_sum += facts.loss_sum;
  state.window_count += facts.count;
  return facts;
}

Vote TrainingStep::run_automatic(RunState& state) {
  const std::int64_t step = state.global_step + 1;
  Vote mine = my_vote();
  std::exception_ptr failure;
  Section failed_section{};
  d_.optimization.zero();
  for (std::int64_t batch = 0; batch < d_.accumulate_batches; ++batch) {
    const std::int64_t samples = d_.loader.next_global_samples();
    try {
      if (!failure) add_gradient(mine, step);
    } catch (...) {
      failure = std::current_exception();
      failed_section = d_.sections.section();
      mine.failed_rank = d_.ranks.rank();
    }
    ++state.batch_index;
    state.samples_seen += samples;
    if (is_epoch_over(state)) break;  // a short last group steps too
  }
  d_.sections.enter(Section::reduce, step);
  d_.sections.point();
  d_.optimization.all_reduce(d_.ranks, !failure);
  const double norm = d_.optimization.gradient_norm();
  if (!std::isfinite(norm)) mine.nonfinite_rank = d_.ranks.rank();
  const Vote facts = d_.ranks.vote(mine);
  if (failure) d_.sections.enter(failed_section, step);  // where the failure was, for the exit record
  act_on_failures(facts, failure, step);
  begin_update(step);
  const double divisor = d_.optimization.divisor(facts.count);
  for (const auto& optimizer : d_.optimization.all()) announce_step(*optimizer, norm / divisor);
  d_.optimization.step(facts.count, norm);
  return facts;
}

void TrainingStep::add_gradient(Vote& mine, std::int64_t step) {
  d_.sections.enter(Section::data, step);
  d_.sections.point();
  const Batch batch = d_.loader.next();
  if (step == 1) shapes_ = shapes_of(batch);
  if (batch.samples == 0) return;  // takes part in every collective all the same
  d_.sections.enter(Section::forward, step);
  d_.sections.point();
  each_callback("on_batch_start", [&](Callback& callback, const RunView& view) { callback.on_batch_start(view, batch); });
  const Loss loss = d_.task.loss(batch);
  d_.sections.enter(Section::backward, step);
  loss.sum.register_hook([this](const at::Tensor&) { d_.sections.point(); });
  d_.optimization.prepare_backward();
  loss.sum.backward(at::full_like(loss.sum, d_.optimization.gradient_seed()));
  mine.loss_sum += loss.sum.item<double>();
  mine.count += loss.count;
  each_callback("on_backward_end", [](Callback& callback, const RunView& view) { callback.on_backward_end(view); });
}

void TrainingStep::announce_step(const Optimizer& optimizer, double norm) {
  each_callback("on_optimizer_step", [&](Callback& callback, const RunView& view) {
    callback.on_optimizer_step(view, {.optimizer = optimizer.name(), .lr = d_.optimization.lr(optimizer), .gradient_norm = norm});
  });
}

Vote TrainingStep::my_vote() const {
  Vote mine;
  if (is_stop_requested()) mine.stop_rank = d_.ranks.rank();
  if (d_.checkpointer) d_.checkpointer->state_facts(mine);
  return mine;
}

void TrainingStep::begin_update(std::int64_t step) {
  d_.sections.enter(Section::update, step);
  d_.sections.point();
  if (d_.checkpointer) d_.checkpointer->finish_staging();
}

void TrainingStep::act_on_failures(const Vote& facts, const std::exception_ptr& mine, std::int64_t step) {
  is_failure_agreed_ = is_set(facts.failed_rank) || is_set(facts.nonfinite_rank);
  if (is_set(facts.failed_rank) && step == 1) end_if_futile(mine);
  if (mine) std::rethrow_exception(mine);
  if (is_set(facts.failed_rank)) throw PeerLost(fmt::format("rank {} failed in step {}; its log says why", facts.failed_rank, step));
  if (has_diverged(facts))
    throw Error(fmt::format("step {}: the ranks go different ways in train_batch: one {} while another {}\n  next: let it step the same "
                            "optimizers in the same order on every rank, also on one without samples",
                            step, call_name(facts.lowest_call), call_name(facts.highest_call)),
                kExitSoftware);
  if (is_set(facts.nonfinite_rank))
    throw Error(fmt::format("step {}: the gradient is not finite (seen on rank {}); the update was not made\n  next: lower lr, or set "
                            "trainer.clip_norm",
                            step, facts.nonfinite_rank),
                kExitSoftware);
}

void TrainingStep::end_if_futile(const std::exception_ptr& mine) {
  const Section section = d_.sections.section();
  const bool is_in_task = section == Section::forward || section == Section::backward;
  const std::string words = mine && is_in_task ? words_of_task(mine) : "";
  const std::vector<std::string> all = d_.ranks.gather(without_numbers(words), 0);
  std::byte is_futile{!all.empty() && !all[0].empty() &&
                      std::all_of(all.begin(), all.end(), [&](const auto& one) { return one == all[0]; })};
  d_.ranks.broadcast(std::span(&is_futile, 1), 0);
  if (is_futile == std::byte{0}) return;
  throw FutileError(ErrorText{.attempted = fmt::format("train on the first batch, whose fields have the shapes {}", shapes_),
                              .cause = words,
                              .next = "make the task and the data fit together: task.options, data.options"});
}

std::string TrainingStep::call_name(std::int32_t call) const {
  if (call == kEndOfBatch) return "ends the batch";
  return "steps '" + d_.optimization.all().at(static_cast<std::size_t>(call) - 1)->name() + "'";
}

/// What a task with manual optimization steps through. Each step votes before it reduces, so that a rank that has thrown
/// needs to know nothing of the collectives that the others are about to make: one vote answers them.
class TrainingStep::ManualSteps final : public ManualOptimization {
 public:
  ManualSteps(TrainingStep& owner, std::int64_t step) : owner_(owner), step_(step) {}

  void backward(const std::string& name, const Loss& loss) override {
    owner_.d_.sections.enter(Section::backward, step_);
    Optimizer& optimizer = owner_.d_.optimization.find(name);
    std::vector<at::Tensor> inputs;
    for (const NamedParameter& parameter : optimizer.gradients().parameters()) inputs.push_back(parameter.tensor);
    const unsigned hook = loss.sum.register_hook([&sections = owner_.d_.sections](const at::Tensor&) { sections.point(); });
    optimizer.gradients().prepare_backward();
    torch::autograd::backward({loss.sum}, {}, /*retain_graph=*/true, /*create_graph=*/false, inputs);
    loss.sum.remove_hook(hook);  // the task may keep the loss, and go back through it again
    optimizer.gradients().add_loss(loss.sum.item<double>(), loss.count);
    owner_.each_callback("on_backward_end", [](Callback& callback, const RunView& view) { callback.on_backward_end(view); });
  }
  void step(const std::string& name) override {
    Optimizer& optimizer = owner_.d_.optimization.find(name);
    Vote mine = owner_.my_vote();
    mine.lowest_call = mine.highest_call = owner_.d_.optimization.index_of(optimizer) + 1;
    mine.loss_sum = optimizer.gradients().loss_sum();
    mine.count = optimizer.gradients().count();
    const Vote facts = owner_.d_.ranks.vote(mine);
    owner_.act_on_failures(facts, nullptr, step_);
    is_past_vote_ = true;
    owner_.d_.sections.enter(Section::reduce, step_);
    owner_.d_.sections.point();
    owner_.d_.optimization.all_reduce(owner_.d_.ranks, optimizer);
    const double norm = optimizer.gradients().norm();
    Vote finite;
    if (!std::isfinite(norm)) finite.nonfinite_rank = owner_.d_.ranks.rank();
    owner_.act_on_failures(finite, nullptr, step_);
    owner_.begin_update(step_);
    const auto divisor = static_cast<double>(std::max<std::int64_t>(facts.count, 1));
    owner_.announce_step(optimizer, norm / divisor);
    owner_.d_.optimization.step(optimizer, divisor, norm);
    optimizer.gradients().zero();
    is_past_vote_ = false;
    combine(total_, facts);
  }
  const Vote& total() const { return total_; }
  /// The others have been told that all is well: no vote of theirs answers what fails here.
  bool is_past_vote() const { return is_past_vote_; }

 private:
  TrainingStep& owner_;
  std::int64_t step_;
  Vote total_;
  bool is_past_vote_ = false;
};

Vote TrainingStep::run_manual(RunState& state) {
  const std::int64_t step = state.global_step + 1, samples = d_.loader.next_global_samples();
  ManualSteps steps(*this, step);
  std::exception_ptr failure;
  try {
    d_.sections.enter(Section::data, step);
    d_.sections.point();
    const Batch batch = d_.loader.next();
    if (step == 1) shapes_ = shapes_of(batch);
    d_.sections.enter(Section::forward, step);
    d_.sections.point();
    each_callback("on_batch_start", [&](Callback& callback, const RunView& view) { callback.on_batch_start(view, batch); });
    d_.task.train_batch(batch, steps);
  } catch (const PeerLost&) {
    throw;  // the vote has been taken
  } catch (...) {
    if (steps.is_past_vote()) throw;
    failure = std::current_exception();
  }
  Vote mine = my_vote();
  mine.lowest_call = mine.highest_call = kEndOfBatch;
  if (failure) mine.failed_rank = d_.ranks.rank();
  Vote facts = d_.ranks.vote(mine);
  act_on_failures(facts, failure, step);
  ++state.batch_index;
  state.samples_seen += samples;
  combine(facts, steps.total());
  return facts;
}

}  // namespace holdfast
