// The tasks that come with Holdfast: mlp, cnn, gpt, torchscript.
#pragma once

#include "trainer/registry.h"

namespace holdfast {

void register_built_in_tasks(Registry& registry);

}  // namespace holdfast
