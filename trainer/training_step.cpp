#include "trainer/training_step.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/injection.h"
#include "trainer/optimization/gradient_memory.h"
#include "trainer/stopping/stop_request.h"
#include "trainer/thrown.h"

namespace holdfast {
namespace {

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
  parts_.ranks.take_nonfinite_rank();  // of what callbacks have summed up
  const std::int64_t updates_before = parts_.optimization.updates();
  const std::optional<Vote> left = leave_out(state);
  const Vote facts = left ? *left : parts_.task.is_manual() ? run_manual(state) : run_automatic(state);
  if (parts_.optimization.updates() > updates_before) {
    ++state.global_step;
    state.left_out_in_a_row = 0;
    if (parts_.copies) parts_.copies->update(state.global_step);  // part of the update: what is saved has been copied before it began
  }
  if (const auto scale = parts_.optimization.scaler().state()) state.gradient_scale = scale;
  if (parts_.task.is_manual()) state.gradient_seed = parts_.optimization.manual_seed();
  for (const auto& optimizer : parts_.optimization.all()) state.optimizer_updates[optimizer->name()] = optimizer->updates();
  if (parts_.left_out) state.left_out = parts_.left_out->before(state.samples_seen);
  state.window_loss_sum += facts.loss_sum;
  state.window_count += facts.count;
  return facts;
}

Vote TrainingStep::run_automatic(RunState& state) {
  const std::int64_t step = state.global_step + 1, first_sample = state.samples_seen, first_batch = state.batch_index;
  Group group{.mine = my_vote()};
  parts_.optimization.zero();
  compute(group, state);
  if (group.stop) {
    parts_.undo_until_group();
    state.samples_seen = first_sample;
    state.batch_index = first_batch;
    return *group.stop;
  }
  double norm = 0;
  Vote facts = reduce(group, norm, step);
  if (skip_overflow(facts, step)) {
    facts.loss_sum = 0;
    facts.count = 0;
    return facts;
  }
  if (const std::optional<BadUpdate> bad = judge_update(facts, state.recent_losses);
      bad && !answer_bad_update(*bad, {first_sample, state.samples_seen}, state)) {
    parts_.undo_until_group();
    ++state.left_out_in_a_row;
    facts.loss_sum = 0;
    facts.count = 0;
    return facts;
  }
  begin_update(step);
  const double divisor = parts_.optimization.divisor(facts.count);
  for (const auto& optimizer : parts_.optimization.all()) announce_step(*optimizer, norm / divisor);
  parts_.optimization.step(facts.count, norm);
  parts_.optimization.take_in_update(/*has_overflowed=*/false);
  remember_loss(state.recent_losses, facts, options().loss_spike);
  return facts;
}

void TrainingStep::compute(Group& group, RunState& state) {
  const std::int64_t step = state.global_step + 1;
  const double start = parts_.clock ? parts_.clock->seconds() : 0;
  std::int64_t batches = 0;
  while (batches < parts_.accumulate_batches) {
    if (parts_.clock && batches > 0 && batches % polls_.batches() == 0) {
      group.mine.batch_seconds = (parts_.clock->seconds() - start) / static_cast<double>(batches);
      if ((group.stop = agree_on_stop(group))) return;
    }
    const std::int64_t samples = parts_.loader.next_global_samples();
    const bool is_last = batches + 1 == parts_.accumulate_batches || (state.samples_seen + samples) % parts_.loader.epoch_samples() == 0;
    const bool is_left_out =
        parts_.left_out && parts_.left_out->at(state.samples_seen);  // within a group only if groups were others before
    try {
      if (!group.failure && !is_left_out) add_gradient(group.mine, step, is_last);
    } catch (...) {
      group.failure = std::current_exception();
      group.failed_section = parts_.sections.section();
      group.mine.failed_rank = parts_.ranks.rank();
    }
    ++batches;
    ++state.batch_index;
    state.samples_seen += samples;
    if (is_left_out) parts_.loader.seek(state.samples_seen);
    if (is_epoch_over(state)) break;  // a short last group steps too
  }
  if (parts_.clock) group.mine.batch_seconds = (parts_.clock->seconds() - start) / static_cast<double>(batches);
}

std::optional<Vote> TrainingStep::agree_on_stop(const Group& group) {
  Vote mine = my_vote();
  mine.failed_rank = group.mine.failed_rank;
  mine.batch_seconds = group.mine.batch_seconds;
  const Vote facts = parts_.ranks.vote(mine);
  polls_.take(facts.batch_seconds);
  if (!is_set(facts.stop_rank) || is_set(facts.failed_rank)) return std::nullopt;  // a failure is told at the end of the group
  return facts;
}

Vote TrainingStep::reduce(Group& group, double& norm, std::int64_t step) {
  Vote& mine = group.mine;
  enter(Section::reduce, step);
  parts_.sections.point();
  const int nonfinite_rank = parts_.optimization.all_reduce(parts_.ranks, !group.failure);
  if (nonfinite_rank >= 0) mine.nonfinite_rank = nonfinite_rank;
  mine.gradient_squares = parts_.optimization.squares(parts_.ranks.rank(), parts_.ranks.size());
  const bool is_finite = std::isfinite(mine.loss_sum) && (parts_.ranks.size() > 1 || std::isfinite(mine.gradient_squares));
  if (!is_finite && !group.failure) mine.nonfinite_rank = std::min(mine.nonfinite_rank, parts_.ranks.rank());
  Vote facts = parts_.ranks.vote(mine);
  if (!std::isfinite(facts.gradient_squares)) facts.is_nonfinite = 1;
  norm = std::sqrt(facts.gradient_squares);
  polls_.take(facts.batch_seconds);
  if (group.failure) enter(group.failed_section, step);  // where the failure was, for the exit record
  act_on_failures(facts, group.failure, step);
  return facts;
}

const TrainerOptions& TrainingStep::options() const {
  static const TrainerOptions defaults;
  return parts_.options ? *parts_.options : defaults;
}

bool TrainingStep::may_come_to_nothing() const {
  const bool may_skip =
      options().on_nonfinite == BadNumbers::skip || (options().loss_spike.factor && options().loss_spike.action == BadNumbers::skip);
  return !parts_.task.is_manual() && (may_skip || (parts_.clock && polls_.batches() < parts_.accumulate_batches));
}

void TrainingStep::add_gradient(Vote& mine, std::int64_t step, bool is_last) {
  enter(Section::data, step);
  parts_.sections.point();
  const Batch batch = parts_.loader.next();
  note_shapes(batch, step);
  if (batch.samples == 0) return;  // takes part in every collective all the same
  enter(Section::forward, step);
  parts_.sections.point();
  each_callback("on_batch_start", [&](Callback& callback, const RunView& view) { callback.on_batch_start(view, batch); });
  const Loss loss = parts_.task.loss(batch);
  enter(Section::backward, step);
  loss.sum.register_hook([this](const at::Tensor&) { parts_.sections.point(); });
  parts_.optimization.prepare_backward();
  if (is_last && parts_.overlaps) parts_.optimization.reduce_during_backward(parts_.ranks);
  {
    const GradientMemory memory(parts_.ranks);
    loss.sum.backward(at::full_like(loss.sum, parts_.optimization.gradient_seed()));
  }
  mine.loss_sum += loss_of(loss);
  mine.count += loss.count;
  each_callback("on_backward_end", [](Callback& callback, const RunView& view) { callback.on_backward_end(view); });
}

void TrainingStep::announce_step(const Optimizer& optimizer, double norm) {
  each_callback("on_optimizer_step", [&](Callback& callback, const RunView& view) {
    callback.on_optimizer_step(view, {.optimizer = optimizer.name(), .lr = parts_.optimization.lr(optimizer), .gradient_norm = norm});
  });
}

void TrainingStep::enter(Section section, std::int64_t step) {
  parts_.sections.enter(section, step);
  if (parts_.profile) parts_.profile->enter(section);
}

Vote TrainingStep::my_vote() const {
  Vote mine;
  if (parts_.wants_stop ? parts_.wants_stop() : is_stop_requested()) mine.stop_rank = parts_.ranks.rank();
  if (parts_.checkpointer) parts_.checkpointer->add_facts_to(mine);
  return mine;
}

void TrainingStep::begin_update(std::int64_t step) {
  enter(Section::update, step);
  parts_.sections.point();
  if (parts_.checkpointer) parts_.checkpointer->finish_staging();
}

void TrainingStep::act_on_failures(const Vote& facts, const std::exception_ptr& mine, std::int64_t step) {
  is_failure_agreed_ = is_set(facts.failed_rank);
  if (is_set(facts.failed_rank) && step == 1) end_if_futile(mine);
  if (mine) std::rethrow_exception(mine);
  if (is_set(facts.failed_rank)) throw PeerLost(fmt::format("rank {} failed in step {}; its log says why", facts.failed_rank, step));
  if (has_diverged(facts))
    throw Error(fmt::format("step {}: the ranks go different ways in train_batch: one {} while another {}\n  next: let it step the same "
                            "optimizers in the same order on every rank, also on one without samples",
                            step, call_name(facts.lowest_call), call_name(facts.highest_call)),
                kExitSoftware);
}

void TrainingStep::note_shapes(const Batch& batch, std::int64_t step) {
  if (step == 1) shapes_ = shapes_of(batch);
}

void TrainingStep::end_if_futile(const std::exception_ptr& mine) {
  const Section section = parts_.sections.section();
  const bool is_in_task = section == Section::forward || section == Section::backward;
  const std::string words = mine && is_in_task ? words_of_task(mine) : "";
  const std::vector<std::string> all = parts_.ranks.gather(without_numbers(words), 0);
  std::byte is_futile{!all.empty() && !all[0].empty() &&
                      std::all_of(all.begin(), all.end(), [&](const auto& one) { return one == all[0]; })};
  parts_.ranks.broadcast(std::span(&is_futile, 1), 0);
  if (is_futile == std::byte{0}) return;
  throw FutileError(ErrorText{.attempted = fmt::format("train on the first batch, whose fields have the shapes {}", shapes_),
                              .cause = words,
                              .next = "make the task and the data fit together: task.options, data.options"});
}

void TrainingStep::spoil(FaultKind kind) {
  spoiled_ = kind;
  if (kind == FaultKind::nan) parts_.optimization.spoil_next(true);
}

double TrainingStep::loss_of(const Loss& loss) {
  const double sum = loss.sum.item<double>();
  parts_.optimization.spoil_next(false);
  return std::exchange(spoiled_, std::nullopt) == FaultKind::spike ? 1000 * sum : sum;
}

}  // namespace holdfast
