// The one small reduction per step by which ranks agree on the facts that all of them must act on alike. Pure data and a
// pure combining function; the Communicator carries it.
#pragma once

#include <cstdint>

namespace holdfast {

/// What a rank says of itself; combined: what is true of all. Trivially copyable (it travels as bytes).
struct Vote {
  std::int32_t failed_rank = kNone;      // lowest rank whose step threw
  std::int32_t nonfinite_rank = kNone;   // lowest rank whose own loss or gradient is not finite
  std::int32_t is_nonfinite = 0;         // 1: the gradient that the update would be made with is not finite
  std::int32_t stop_rank = kNone;        // lowest rank that was asked to stop
  std::int64_t shard_ended = INT64_MAX;  // smallest number of the newest save that a rank's shard is through with
  std::int64_t commit_ended = 0;         // largest number of a save that rank 0 has committed, or given up
  std::int32_t is_time_up = 0;           // 1: rank 0's clock says that a save is due
  double batch_seconds = 0;              // what a batch has taken the slowest rank, where ranks ask one another between batches
  double loss_sum = 0;                   // of the update's samples (or tokens)
  double gradient_squares = 0;           // of the part of the reduced gradient that a rank looks at: together its squared norm
  std::int64_t count = 0;                // samples (or tokens) of the update
  std::int32_t lowest_call = kNone;      // which of the calls that a task may make this vote answers: they must be
  std::int32_t highest_call = -1;        // the same on every rank
  static constexpr std::int32_t kNone = INT32_MAX;
};

/// Combines `from` into `into`. Associative up to rounding of the sums; always applied in rank order.
void combine(Vote& into, const Vote& from);

/// True when ranks have voted in different calls: their collectives would not meet.
inline bool has_diverged(const Vote& combined) { return combined.lowest_call < combined.highest_call; }

inline bool is_set(std::int32_t rank) { return rank != Vote::kNone; }

}  // namespace holdfast
