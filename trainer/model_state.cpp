#include "trainer/model_state.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "base/digest.h"
#include "checkpoint/format/tensor_hash.h"
#include "trainer/state_entry.h"

namespace holdfast {

std::vector<StateEntry> model_entries(torch::nn::Module& model) {
  std::vector<StateEntry> entries;
  for (const auto& item : model.named_parameters())
    entries.push_back(entry_of(kModelPrefix + item.key(), item.value(), TensorKind::replicated, true));
  for (const auto& item : model.named_buffers())
    if (item.value().defined()) entries.push_back(entry_of(kModelPrefix + item.key(), item.value(), TensorKind::per_rank, false));
  return entries;
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
