// The state of a training that only checkpoints: a function of the step.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/engine/checkpointer.h"

namespace holdfast {

/// The live state of one rank: replicated, sharded and per-rank tensors, one of them empty.
class LiveState {
 public:
  LiveState(int rank, int world_size) : rank_(rank) {
    add({"model/a", DType::f32, {8, 5}, TensorKind::replicated});
    add({"model/b", DType::bf16, {33}, TensorKind::replicated});
    add({"model/empty", DType::f32, {0}, TensorKind::replicated});
    add({"optimizers/main/a/momentum", DType::f32, {8, 5}, TensorKind::replicated});
    add({"optimizers/main/step", DType::i64, {}, TensorKind::replicated});
    add({"optimizers/main/shards", DType::f32, {4 * world_size}, TensorKind::sharded}, Slice{4 * rank, 4});
    add({"rng/cpu", DType::u8, {20}, TensorKind::per_rank});
  }
  LiveState(const LiveState&) = delete;
  LiveState& operator=(const LiveState&) = delete;

  void compute(std::int64_t step) {
    for (Tensor& tensor : tensors_) tensor.bytes = value(tensor, step);
  }
  void flip_bit(const std::string& name) {
    for (Tensor& tensor : tensors_)
      if (tensor.info.name == name) tensor.bytes[0] ^= std::byte{1};
  }
  bool is_that_of(std::int64_t step) const {
    for (const Tensor& tensor : tensors_)
      if (tensor.bytes != value(tensor, step)) return false;
    return true;
  }
  std::vector<StateEntry> entries() {
    std::vector<StateEntry> entries;
    for (Tensor& tensor : tensors_)
      entries.push_back({.info = tensor.info,
                         .slice = tensor.slice,
                         .copy_to =
                             [&tensor](std::uint64_t offset, std::span<std::byte> into) {
                               std::copy_n(tensor.bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
                             },
                         .copy_from =
                             [&tensor](std::uint64_t offset, std::span<const std::byte> from) {
                               std::copy(from.begin(), from.end(), tensor.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
                             }});
    return entries;
  }
  Snapshot snapshot(std::int64_t step) {
    return {.global_step = step,
            .entries = entries(),
            .state = {{"global_step", step}},
            .options = nlohmann::json::object(),
            .environment = nlohmann::json::object()};
  }

 private:
  struct Tensor {
    TensorInfo info;
    Slice slice;
    std::vector<std::byte> bytes;
  };
  void add(TensorInfo info, std::optional<Slice> part = {}) {
    const Slice slice = part.value_or(Slice{0, info.elements()});
    const std::size_t bytes = static_cast<std::size_t>(slice.count) * size_of(info.dtype);
    tensors_.push_back({std::move(info), slice, std::vector<std::byte>(bytes)});
  }
  std::vector<std::byte> value(const Tensor& tensor, std::int64_t step) const {
    std::vector<std::byte> bytes(tensor.bytes.size());
    const std::size_t first = static_cast<std::size_t>(tensor.slice.offset) * size_of(tensor.info.dtype);
    const int owner = tensor.info.kind == TensorKind::per_rank ? rank_ + 1 : 0;
    std::uint64_t seed = std::hash<std::string>()(tensor.info.name) + static_cast<std::uint64_t>(step * 1000 + owner);
    for (std::size_t i = 0; i < first + bytes.size(); ++i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      if (i >= first) bytes[i - first] = static_cast<std::byte>(seed >> 56);
    }
    return bytes;
  }

  int rank_;
  std::vector<Tensor> tensors_;
};

/// The boundary at which every_steps: 1 asks for the state of `step`.
inline Boundary after_step(std::int64_t step) {
  return {.position = {.epoch = 0, .batch = step, .step = step}, .step = {step - 1, step, 0, 0, false}};
}

}  // namespace holdfast
