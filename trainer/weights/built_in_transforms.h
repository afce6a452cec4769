// The transforms that need no plugin. Averages are not among them: they are state of the training (trainer/weights/weight_average.h).
#pragma once

#include "trainer/registry.h"

namespace holdfast {

/// half: numbers of 16 bits, rounded to the nearest; scale: times a factor.
void register_built_in_transforms(Registry& registry);

}  // namespace holdfast
