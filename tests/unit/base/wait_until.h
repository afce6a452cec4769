// Waiting for what another process, or a socket, brings: with a bound, and without a pause longer than a millisecond.
#pragma once

#include <poll.h>

#include "base/clock.h"

namespace holdfast {

/// Whether `condition` has come true within `seconds`.
template <class Condition>
bool wait_until(Condition&& condition, double seconds = 30) {
  const SystemClock clock;
  for (const double end = clock.seconds() + seconds; !condition(); ::poll(nullptr, 0, 1))
    if (clock.seconds() > end) return false;
  return true;
}

}  // namespace holdfast
