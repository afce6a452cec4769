// The formulas of docs/scaling.md for a training of a billion parameters: bytes a step and a checkpoint, and how long they are on their way
// where a message has a stated latency and a link a stated speed. Nothing is measured.
#pragma once

#include <vector>

#include "bench/scale/figure.h"

namespace holdfast {

std::vector<Figure> measure_worked_example(const ScaleTask& task);

}  // namespace holdfast
