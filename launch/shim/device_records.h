// What the ranks of an attempt have left of their newest operations on the device, one file a rank: written by its shim, which reads the
// heartbeat, however the rank ended; read by the supervisor, to say who was behind.
#pragma once

#include <string>

#include "checkpoint/format/layout.h"

namespace holdfast {

/// "rank 1 has not begun operation 8 (…), which rank 0 has", by the files of the attempt; empty: they do not tell, or there are none. A
/// file that cannot be read is taken for one that is not there.
std::string who_is_behind(const RunLayout& layout, int attempt, int world_size);

}  // namespace holdfast
