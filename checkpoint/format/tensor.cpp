#include "checkpoint/format/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <stdexcept>

namespace holdfast {
namespace {

struct DTypeFacts {
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<DTypeFacts, 10> kDTypes = {{{"uint8", 1},
                                                 {"int8", 1},
                                                 {"int16", 2},
                                                 {"int32", 4},
                                                 {"int64", 8},
                                                 {"float16", 2},
                                                 {"bfloat16", 2},
                                                 {"float32", 4},
                                                 {"float64", 8},
                                                 {"bool", 1}}};
constexpr std::array<std::string_view, 3> kKinds = {"replicated", "sharded", "per_rank"};

}  // namespace

std::size_t size_of(DType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).bytes; }

std::string_view name_of(DType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).name; }

DType dtype_from(std::string_view name) {
  for (std::size_t i = 0; i < kDTypes.size(); ++i)
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  throw std::invalid_argument("unknown dtype '" + std::string(name) + "'");
}

std::string_view name_of(TensorKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

TensorKind tensor_kind_from(std::string_view name) {
  for (std::size_t i = 0; i < kKinds.size(); ++i)
    if (kKinds[i] == name) return static_cast<TensorKind>(i);
  throw std::invalid_argument("unknown kind of tensor '" + std::string(name) + "'");
}

std::int64_t TensorInfo::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::string describe(const TensorInfo& info) { return fmt::format("{} [{}]", name_of(info.dtype), fmt::join(info.shape, ", ")); }

}  // namespace holdfast
