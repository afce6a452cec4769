// How often ranks ask one another, between batches, whether to stop. They have to ask at the same batch, so the answer is a count of
// batches, and made of what a vote has told all of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace holdfast {

class PollInterval {
 public:
  /// `batch_seconds`: what a batch takes the slowest rank, as all ranks have heard it in the same vote.
  void take(double batch_seconds) {
    if (!(batch_seconds > 0)) return;
    seconds_ = batch_seconds;
    batches_ = static_cast<std::int64_t>(std::clamp(std::floor(kSeconds / batch_seconds), 1.0, 1e6));
  }
  /// From one vote to the next. At first after each batch: nobody knows how long they are.
  std::int64_t batches() const { return batches_; }
  /// How long a stop may go unnoticed.
  double seconds() const { return seconds_ * static_cast<double>(batches_); }

 private:
  static constexpr double kSeconds = 0.5;
  double seconds_ = 0;
  std::int64_t batches_ = 1;
};

}  // namespace holdfast
