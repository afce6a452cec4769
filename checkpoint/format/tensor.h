// Names and shapes of stored tensors: pure data, no HDF5, no LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

enum class DType : std::uint8_t { u8, i8, i16, i32, i64, f16, bf16, f32, f64, boolean };

std::size_t size_of(DType dtype);
/// "float32", "bfloat16", "bool": numpy's names.
std::string_view name_of(DType dtype);
/// Throws std::invalid_argument for an unknown name.
DType dtype_from(std::string_view name);

enum class TensorKind {
  replicated,  // the same on every rank: stored once, cut among the ranks
  sharded,     // each rank holds a part of one logical tensor
  per_rank,    // each rank has its own (RNG, running statistics): stored by each under its rank
};
std::string_view name_of(TensorKind kind);
TensorKind tensor_kind_from(std::string_view name);

/// One logical tensor. The name is its path in the shard: "model/0.weight", "optimizers/main/0.weight/momentum".
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // global; empty: a scalar
  TensorKind kind = TensorKind::replicated;

  std::int64_t elements() const;  // 1 for a scalar
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(elements()) * size_of(dtype); }
  bool operator==(const TensorInfo&) const = default;
};

/// Where tensors lie by name: the one place that spells the prefixes.
inline constexpr const char* kModelPrefix = "model/";
inline constexpr const char* kAveragePrefix = "averages/";
inline constexpr const char* kOptimizerPrefix = "optimizers/";
inline constexpr const char* kGradientPrefix = "gradients/";  // partial accumulation under manual optimization
inline constexpr const char* kRngPrefix = "rng/";
inline constexpr const char* kCpuRng = "rng/cpu";  // the generator that every run has, whatever it computes on
inline constexpr const char* kStepTensor = "global_step";

/// "float32 [64, 10]"
std::string describe(const TensorInfo& info);

/// A run of elements of a tensor in row-major order.
struct Slice {
  std::int64_t offset = 0;  // elements
  std::int64_t count = 0;
  bool operator==(const Slice&) const = default;
};

}  // namespace holdfast
