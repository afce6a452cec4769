// What the model of a task makes, as texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/task.h"

namespace holdfast {

/// A function of the model and of `seed`: the training's random numbers are not drawn from. Leaves the model in training mode. Not
/// collective.
std::vector<std::string> draw_samples(Task& task, std::int64_t count, std::uint64_t seed);

}  // namespace holdfast
