#include "dist/vote.h"

#include <algorithm>

namespace holdfast {

void combine(Vote& into, const Vote& from) {
  into.failed_rank = std::min(into.failed_rank, from.failed_rank);
  into.nonfinite_rank = std::min(into.nonfinite_rank, from.nonfinite_rank);
  into.is_nonfinite = std::max(into.is_nonfinite, from.is_nonfinite);
  into.stop_rank = std::min(into.stop_rank, from.stop_rank);
  into.lowest_call = std::min(into.lowest_call, from.lowest_call);
  into.highest_call = std::max(into.highest_call, from.highest_call);
  into.shard_ended = std::min(into.shard_ended, from.shard_ended);
  into.commit_ended = std::max(into.commit_ended, from.commit_ended);
  into.is_time_up = std::max(into.is_time_up, from.is_time_up);
  into.batch_seconds = std::max(into.batch_seconds, from.batch_seconds);
  into.loss_sum += from.loss_sum;
  into.gradient_squares += from.gradient_squares;
  into.count += from.count;
}

}  // namespace holdfast
