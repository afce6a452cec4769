// Comparing two checkpoints: by digests, and by values where those differ.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "checkpoint/format/stored_tensor.h"
#include "checkpoint/format/verify.h"

namespace holdfast {
namespace {

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
  if (exponent == 0) return std::copysign(std::ldexp(static_cast<float>(fraction), -24), sign ? -1.0f : 1.0f);
  const std::uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
double read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

double value_at(const std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::u8:
    case DType::boolean: return read_as<std::uint8_t>(at);
    case DType::i8: return read_as<std::int8_t>(at);
    case DType::i16: return read_as<std::int16_t>(at);
    case DType::i32: return read_as<std::int32_t>(at);
    case DType::i64: return read_as<std::int64_t>(at);
    case DType::f32: return read_as<float>(at);
    case DType::f64: return read_as<double>(at);
    case DType::f16: {
      std::uint16_t bits = 0;
      std::memcpy(&bits, at, sizeof bits);
      return half_to_float(bits);
    }
    case DType::bf16: {
      std::uint16_t bits = 0;
      std::memcpy(&bits, at, sizeof bits);
      const std::uint32_t wide = std::uint32_t{bits} << 16;
      float value = 0;
      std::memcpy(&value, &wide, sizeof value);
      return value;
    }
  }
  return 0;
}

/// Element by element; elements with the same bits are equal, NaN included.
TensorDifference compare_values(const std::string& name, const std::vector<std::byte>& a, const std::vector<std::byte>& b, DType dtype) {
  TensorDifference difference{.tensor = name, .what = "values"};
  const std::size_t element = size_of(dtype);
  for (std::size_t at = 0; at < a.size(); at += element) {
    if (std::memcmp(&a[at], &b[at], element) == 0) continue;
    if (difference.elements++ == 0) difference.first_index = static_cast<std::int64_t>(at / element);
    const double x = value_at(&a[at], dtype), y = value_at(&b[at], dtype), absolute = std::abs(x - y),
                 scale = std::max(std::abs(x), std::abs(y));
    difference.max_absolute = std::isnan(absolute) ? absolute : std::max(difference.max_absolute, absolute);
    difference.max_relative = std::isnan(absolute) ? absolute : std::max(difference.max_relative, scale > 0 ? absolute / scale : 0);
  }
  return difference;
}

std::map<std::string, TensorInfo> by_name(const Manifest& manifest) {
  std::map<std::string, TensorInfo> tensors;
  for (const TensorInfo& tensor : manifest.tensors) tensors[tensor.name] = tensor;
  return tensors;
}

class Comparison {
 public:
  Comparison(FileSystem& files, const Path& a, const Path& b)
      : files_(files), path_a_(a), path_b_(b), a_(read_manifest(files, a)), b_(read_manifest(files, b)) {}

  std::vector<TensorDifference> run() {
    const auto in_a = by_name(a_), in_b = by_name(b_);
    for (const auto& [name, tensor] : in_a) {
      const auto other = in_b.find(name);
      if (other == in_b.end())
        differences_.push_back({.tensor = name, .what = "only in A"});
      else
        compare(tensor, other->second);
    }
    for (const auto& [name, tensor] : in_b)
      if (!in_a.contains(name)) differences_.push_back({.tensor = name, .what = "only in B"});
    compare_state();
    return std::move(differences_);
  }

 private:
  void compare(const TensorInfo& a, const TensorInfo& b) {
    if (a.dtype != b.dtype) differences_.push_back({.tensor = a.name, .what = "dtype"});
    if (a.shape != b.shape) differences_.push_back({.tensor = a.name, .what = "shape"});
    if (a.dtype != b.dtype || a.shape != b.shape) return;
    if (a.kind == TensorKind::per_rank) {
      for (int rank = 0; rank < std::max(a_.world_size, b_.world_size); ++rank) compare_rank(a, rank);
    } else if (block_digests_of(a_, a) != block_digests_of(b_, b)) {
      differences_.push_back(compare_values(a.name, read_tensor(files_, path_a_, a_, a), read_tensor(files_, path_b_, b_, b), a.dtype));
    }
  }

  void compare_rank(const TensorInfo& tensor, int rank) {
    const std::string name = fmt::format("{} of rank {}", tensor.name, rank);
    if (rank >= a_.world_size || rank >= b_.world_size) {
      differences_.push_back({.tensor = name, .what = rank >= b_.world_size ? "only in A" : "only in B"});
    } else if (block_digests_of_rank(a_, tensor, rank) != block_digests_of_rank(b_, tensor, rank)) {
      differences_.push_back(compare_values(name, read_tensor(files_, path_a_, a_, tensor, rank),
                                            read_tensor(files_, path_b_, b_, tensor, rank), tensor.dtype));
    }
  }

  void compare_state() {
    const nlohmann::json a = a_.state.flatten(), b = b_.state.flatten();
    std::set<std::string> keys;
    for (const auto& [key, value] : a.items()) keys.insert(key);
    for (const auto& [key, value] : b.items()) keys.insert(key);
    for (const std::string& key : keys) {
      if (key.find("/wall_clock/") != key.npos) continue;
      if (!a.contains(key) || !b.contains(key) || a[key] != b[key])
        differences_.push_back(
            {.tensor = "state" + key,
             .what = fmt::format("{} and {}", a.contains(key) ? a[key].dump() : "nothing", b.contains(key) ? b[key].dump() : "nothing")});
    }
  }

  FileSystem& files_;
  const Path &path_a_, &path_b_;
  Manifest a_, b_;
  std::vector<TensorDifference> differences_;
};

}  // namespace

std::vector<TensorDifference> diff_checkpoints(FileSystem& files, const Path& a, const Path& b) { return Comparison(files, a, b).run(); }

}  // namespace holdfast
