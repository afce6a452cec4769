// How far a long read is: on a terminal one line that is drawn anew, elsewhere a line every ten seconds. On standard error, so that
// what the command prints can go on into another program.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace holdfast {

class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(std::uint64_t done, std::uint64_t total);

 private:
  std::string what_;
  SystemClock clock_;
  bool is_terminal_;
  bool is_drawn_ = false;
  double shown_at_;
};

}  // namespace holdfast
