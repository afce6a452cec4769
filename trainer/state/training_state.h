// Everything of a training that a checkpoint holds as tensors: the model, the optimizers, averages of the weights, generators, and, under
// manual optimization, gradients that were not applied yet.
#pragma once

#include <c10/core/Device.h>

#include <vector>

#include "checkpoint/engine/snapshot.h"
#include "trainer/optimization/optimization.h"
#include "trainer/task.h"
#include "trainer/weights/weight_copies.h"

namespace holdfast {

/// The parameters of a module by name, as Optimization takes them.
std::vector<NamedParameter> named_parameters(torch::nn::Module& model);

/// What the model is on, by its first parameter.
at::Device place_of(torch::nn::Module& model);

/// The entries refer to the live tensors.
std::vector<StateEntry> training_state(Task& task, const Optimization& optimization, const WeightCopies& copies);

}  // namespace holdfast
