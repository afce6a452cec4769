// The seam between training and storage: named host arrays and a step. Pure data; knows no LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoint/format/tensor.h"

namespace holdfast {

/// One tensor of the training state, for saving and for restoring. The functions copy between the live tensor and host
/// memory, row-major, `offset` bytes into this rank's slice; they are called by the training
/// thread between updates, and `copy_to`, where `changes_only_in_update`, by a thread of the engine until the next update.
struct StateEntry {
  TensorInfo info;
  Slice slice;  // what this rank holds: the whole tensor, unless it is sharded
  bool changes_only_in_update = false;
  std::function<void(std::uint64_t offset, std::span<std::byte> into)> copy_to;
  std::function<void(std::uint64_t offset, std::span<const std::byte> from)> copy_from;
};

/// The step, in every shard, for whoever has a shard alone. The engine adds it to what it saves and restores.
StateEntry step_entry(std::int64_t global_step);

/// A copy of the weights that a transform makes of those of the snapshot, to be stored beside them.
struct TransformedWeights {
  std::string name;  // also that of its directory
  /// The tensors, named as the model's are; their copy_to computes. Called by the training thread when a save wants the copy. The
  /// std::exception that it throws, or a copy_to throws on any rank, costs this copy and nothing else.
  std::function<std::vector<StateEntry>()> entries;
};

/// Everything that a checkpoint holds. `entries` and `transforms` have the same names in the same order on every rank.
struct Snapshot {
  std::int64_t global_step = 0;
  std::vector<StateEntry> entries;
  nlohmann::json state;                             // the trainer's, equal on every rank
  nlohmann::json options;                           // the resolved configuration
  nlohmann::json environment;                       // what the bits depend on besides
  std::vector<TransformedWeights> transforms = {};  // that can be made; the entries of `checkpoints:` say which are
  bool changes_at_any_time = false;                 // by code of the task's own, not in the update alone, whatever entries say
};

/// Those below "model/".
std::vector<StateEntry> weights_of(const std::vector<StateEntry>& entries);

}  // namespace holdfast
