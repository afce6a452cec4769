// A clock that stands until the test moves it.
#pragma once

#include "base/clock.h"

namespace holdfast {

struct FakeClock final : Clock {
  double now = 1000.5;
  double seconds() const override { return now; }
  double unix_seconds() const override { return now; }
};

}  // namespace holdfast
