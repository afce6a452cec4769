// Processes of an attempt whose supervisor was killed: they end by themselves within moments, and the next attempt must not start
// before they are gone.
#pragma once

#include "checkpoint/format/layout.h"

namespace holdfast {

/// Kills every process on this host that belongs to an attempt of this run, and waits until it is gone, at most `seconds`. Returns how
/// many there were. Call it as who holds the run's lock.
int end_leftovers(const RunLayout& run, double seconds);

}  // namespace holdfast
