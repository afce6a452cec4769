// TrainingStep: what becomes of an update whose numbers are bad, and of the batches that are left out.
#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "trainer/training_step.h"

namespace holdfast {

std::optional<Vote> TrainingStep::leave_out(RunState& state) {
  const std::optional<SampleRange> range = parts_.left_out ? parts_.left_out->at(state.samples_seen) : std::nullopt;
  if (!range) return std::nullopt;
  parts_.sections.enter(Section::data, state.global_step + 1);
  do {
    state.samples_seen += parts_.loader.next_global_samples();
    ++state.batch_index;
    parts_.loader.seek(state.samples_seen);
  } while (state.samples_seen < range->end && !is_epoch_over(state));
  ++state.left_out_in_a_row;
  return parts_.ranks.vote(my_vote());
}

std::optional<BadUpdate> TrainingStep::judge_update(const Vote& facts, const std::vector<double>& recent) const {
  std::optional<BadUpdate> bad = judge(facts, options(), recent);
  if (bad) bad->what += parts_.optimization.scaler().remark(facts);
  return bad;
}

bool TrainingStep::skip_overflow(const Vote& facts, std::int64_t step) {
  const GradientScaler& scaler = parts_.optimization.scaler();
  if (!scaler.explains(facts)) return false;
  const double before = scaler.scale();
  parts_.optimization.count_skipped();
  parts_.optimization.take_in_update(/*has_overflowed=*/true);
  if (parts_.ranks.rank() == 0)
    log_info("update {} is not made: gradients have overflowed in fp16; the gradient scale falls from {} to {}", step, before,
             scaler.scale());
  return true;
}

bool TrainingStep::answer_bad_update(BadUpdate bad, SampleRange samples, const RunState& state) {
  const std::string update = fmt::format("update {} with the samples {} to {} of the run (epoch {})", state.global_step + 1, samples.first,
                                         samples.end - 1, samples.first / parts_.loader.epoch_samples());
  const bool is_rank_0 = parts_.ranks.rank() == 0;
  if (bad.action == BadNumbers::warn) {
    if (is_rank_0) log_warning("{}: {}", update, bad.what);
    return true;
  }
  std::string limit;
  if (!parts_.left_out) bad.action = BadNumbers::stop;
  if (bad.action == BadNumbers::skip && state.left_out_in_a_row >= options().max_skipped)
    limit = fmt::format("trainer.max_skipped: {} in a row before it were not made, either", state.left_out_in_a_row);
  if (bad.action == BadNumbers::rollback && parts_.left_out->rollbacks() >= options().max_rollbacks)
    limit = fmt::format("trainer.max_rollbacks: the run has gone back {} times", parts_.left_out->rollbacks());
  if (bad.action == BadNumbers::stop || !limit.empty()) {
    is_failure_agreed_ = true;
    throw FutileError(ErrorText{.attempted = "make " + update,
                                .found = bad.what,
                                .cause = limit,
                                .next = "the update was not made, and started again the run would come to the same: lower lr, set "
                                        "trainer.clip_norm, look at these samples, or let the run do without them "
                                        "(trainer.on_nonfinite, trainer.on_loss_spike: skip or rollback)"});
  }
  parts_.left_out->add({samples, state.global_step + 1, bad.rank, bad.what, bad.action == BadNumbers::rollback, parts_.attempt});
  if (bad.action == BadNumbers::rollback)
    throw RolledBack(ErrorText{.attempted = "make " + update,
                               .found = bad.what,
                               .next = "started again, the run goes on from its newest checkpoint and leaves these samples out"});
  if (is_rank_0) log_warning("skipped {}: {}", update, bad.what);
  return false;
}

}  // namespace holdfast
