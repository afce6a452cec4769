// The bar that shows how far a training is: text from numbers, for whoever draws it.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

struct ProgressFacts {
  std::int64_t step = 0;       // completed updates
  std::int64_t last_step = 0;  // where the run ends; 0: not known yet
  double steps_per_second = 0;
  double samples_per_second = 0;
  double loss = 0;
};

/// "[####....] 50/600  2.1 steps/s  1552 samples/s  loss 0.6972  4:21 left", then `note`, in fewer than `columns` characters: a
/// line that wraps cannot be drawn over. The bar shrinks first, then the end is cut.
std::string progress_bar(const ProgressFacts& facts, const std::string& note, int columns);

/// The width of the terminal `fd`; 80 where it is none or does not say.
int terminal_columns(int fd);

}  // namespace holdfast
