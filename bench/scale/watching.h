// What the supervisor does with one word of every shim, which come several times a second, but for sockets and parsing: where the ranks
// are, who hangs, who is slow.
#pragma once

#include <vector>

#include "bench/scale/figure.h"

namespace holdfast {

std::vector<Figure> measure_watching(const ScaleTask& task);

}  // namespace holdfast
