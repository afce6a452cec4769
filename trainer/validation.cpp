#include "trainer/validation.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <exception>

#include "base/error.h"

namespace holdfast {
namespace {

/// This rank's share.
Evaluation evaluate_my_share(const ValidationParts& parts, std::optional<std::int64_t> max_batches) {
  const torch::NoGradGuard no_grad;
  Evaluation sum;
  parts.loader.seek(0);
  std::int64_t seen = 0;
  for (std::int64_t batches = 0; seen < parts.loader.epoch_samples() && (!max_batches || batches < *max_batches); ++batches) {
    seen += parts.loader.next_global_samples();
    const Batch batch = parts.loader.next();
    if (batch.samples > 0) {
      const Evaluation part = parts.task.evaluate(batch);
      sum.loss_sum += part.loss_sum;
      sum.count += part.count;
      sum.correct += part.correct;
    }
    parts.sections.point();
  }
  return sum;
}

}  // namespace

ValidationRecord run_validation(const ValidationParts& parts, std::optional<std::int64_t> max_batches, std::int64_t step) {
  parts.sections.enter(Section::validation, step);
  Vote mine;
  std::exception_ptr failure;
  parts.task.model().eval();
  try {
    const Evaluation sum = evaluate_my_share(parts, max_batches);
    mine.loss_sum = sum.loss_sum;
    mine.count = sum.count;
    mine.correct = static_cast<double>(sum.correct);
  } catch (...) {
    failure = std::current_exception();
    mine.failed_rank = parts.ranks.rank();
  }
  parts.task.model().train();
  const Vote all = parts.ranks.vote(mine);
  if (failure) std::rethrow_exception(failure);
  if (is_set(all.failed_rank))
    throw PeerLost(fmt::format("rank {} failed in the validation after step {}; its log says why", all.failed_rank, step));
  const double count = static_cast<double>(std::max<std::int64_t>(all.count, 1));
  return {step, all.loss_sum / count, all.correct / count};
}

}  // namespace holdfast
