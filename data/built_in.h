// The data sources that come with Holdfast: idx, text, random.
#pragma once

#include "trainer/registry.h"

namespace holdfast {

void register_built_in_data(Registry& registry);

}  // namespace holdfast
