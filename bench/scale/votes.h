// The vote of a step: what each rank computes of the votes of all, and what travels.
#pragma once

#include <vector>

#include "bench/scale/figure.h"

namespace holdfast {

std::vector<Figure> measure_votes(const ScaleTask& task);

}  // namespace holdfast
