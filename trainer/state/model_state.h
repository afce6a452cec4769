// A model as a snapshot stores it.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/engine/checkpointer.h"
#include "trainer/state/state_entry.h"

namespace torch::nn {
class Module;
}

namespace holdfast {

/// The parameters and buffers of a module by name: parameters replicated, buffers per rank. The entries refer to its tensors.
std::vector<StateEntry> model_entries(torch::nn::Module& model);

/// Collective, blocks: fills the model from the weights of a checkpoint, numbers of other floating-point types converted. Throws as
/// Checkpointer::load_weights.
Manifest load_weights(Checkpointer& checkpointer, const Path& checkpoint, torch::nn::Module& model);

/// One digest over all parameters: names, shapes, bytes.
std::string parameter_hash(torch::nn::Module& model);

/// Changes the lowest bit of the first parameter's first element, as failing memory would.
void flip_a_bit(torch::nn::Module& model);

}  // namespace holdfast
