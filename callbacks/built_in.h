// The callbacks that come with Holdfast: early_stopping, gradient_norm, samples, time_limit.
#pragma once

#include "trainer/registry.h"

namespace holdfast {

void register_built_in_callbacks(Registry& registry);

}  // namespace holdfast
