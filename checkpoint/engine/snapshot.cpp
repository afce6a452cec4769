#include "checkpoint/engine/snapshot.h"

#include <cstring>

namespace holdfast {

std::vector<StateEntry> weights_of(const std::vector<StateEntry>& entries) {
  std::vector<StateEntry> weights;
  for (const StateEntry& entry : entries)
    if (entry.info.name.starts_with(kModelPrefix)) weights.push_back(entry);
  return weights;
}

StateEntry step_entry(std::int64_t global_step) {
  return {.info = {kStepTensor, DType::i64, {}, TensorKind::per_rank},
          .slice = {0, 1},
          .copy_to =
              [global_step](std::uint64_t offset, std::span<std::byte> into) {
                std::memcpy(into.data(), reinterpret_cast<const std::byte*>(&global_step) + offset, into.size());
              },
          .copy_from = [](std::uint64_t, std::span<const std::byte>) {}};
}

}  // namespace holdfast
