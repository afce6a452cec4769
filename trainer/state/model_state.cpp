#include "trainer/state/model_state.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <map>

#include "base/digest.h"
#include "checkpoint/format/tensor_hash.h"
#include "trainer/state/state_entry.h"

namespace holdfast {

std::vector<StateEntry> model_entries(torch::nn::Module& model) {
  std::vector<StateEntry> entries;
  for (const auto& item : model.named_parameters())
    entries.push_back(entry_of(kModelPrefix + item.key(), item.value(), TensorKind::replicated, true));
  for (const auto& item : model.named_buffers())
    if (item.value().defined()) entries.push_back(entry_of(kModelPrefix + item.key(), item.value(), TensorKind::per_rank, false));
  return entries;
}

Manifest load_weights(Checkpointer& checkpointer, const Path& checkpoint, torch::nn::Module& model) {
  return checkpointer.load_weights(checkpoint, [&](const Manifest& manifest) {
    std::map<std::string, DType> stored;
    for (const TensorInfo& tensor : manifest.tensors) stored[tensor.name] = tensor.dtype;
    std::map<std::string, at::Tensor> tensors;
    for (const auto& item : model.named_parameters()) tensors[kModelPrefix + item.key()] = item.value();
    for (const auto& item : model.named_buffers()) tensors[kModelPrefix + item.key()] = item.value();
    std::vector<StateEntry> targets = model_entries(model);
    for (StateEntry& target : targets) {
      const auto found = stored.find(target.info.name);
      if (found == stored.end() || found->second == target.info.dtype) continue;
      if (at::isFloatingType(scalar_type_of(found->second)) && at::isFloatingType(scalar_type_of(target.info.dtype)))
        target = converting_entry_of(target.info.name, tensors[target.info.name], target.info.kind, found->second);
    }
    return targets;
  });
}

void flip_a_bit(torch::nn::Module& model) {
  for (const StateEntry& entry : model_entries(model)) {
    if (entry.info.kind != TensorKind::replicated || entry.info.bytes() == 0) continue;
    std::vector<std::byte> element(size_of(entry.info.dtype));
    entry.copy_to(0, element);
    element[0] ^= std::byte{1};
    entry.copy_from(0, element);
    return;
  }
}

std::string parameter_hash(torch::nn::Module& model) {
  std::vector<TensorDigests> tensors;
  for (const StateEntry& entry : model_entries(model)) {
    if (entry.info.kind != TensorKind::replicated) continue;
    std::vector<std::byte> bytes(entry.info.bytes());
    entry.copy_to(0, bytes);
    tensors.push_back({entry.info, block_digests(bytes)});
  }
  return to_hex(hash_of(tensors));
}

}  // namespace holdfast
