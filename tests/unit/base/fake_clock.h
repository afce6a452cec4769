// A clock that stands until the test moves it.
#pragma once

#include "base/clock.h"

namespace holdfast {

struct FakeClock final : Clock {
  explicit FakeClock(double begin = 1000.5, double unix_at_zero = 0) : now(begin), unix_at_zero_(unix_at_zero) {}
  double seconds() const override { return now; }
  double unix_seconds() const override { return unix_at_zero_ + now; }
  double now;

 private:
  double unix_at_zero_;
};

}  // namespace holdfast
