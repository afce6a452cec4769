#include "checkpoint/format/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <type_traits>

#include "base/error.h"
#include "base/json_value.h"
#include "checkpoint/format/element.h"

namespace holdfast {
namespace {

constexpr long double kInfinity = std::numeric_limits<long double>::infinity();

/// Of the elements seen so far.
struct Sum {
  std::int64_t elements = 0, nans = 0, infinities = 0;
  long double min = kInfinity, max = -kInfinity;
  double sum = 0;

  void add(const Sum& other) {
    elements += other.elements;
    nans += other.nans;
    infinities += other.infinities;
    min = std::min(min, other.min);
    max = std::max(max, other.max);
    sum += other.sum;
  }
};

/// A block is summed by itself: rounding errors grow with the number of blocks and the size of one, not with their product.
template <class Element>
Sum sum_of(Element element, std::span<const std::byte> bytes, std::size_t element_bytes) {
  using Value = typename Element::Value;
  Sum sum{.elements = static_cast<std::int64_t>(bytes.size() / element_bytes)};
  using Limits = std::numeric_limits<Value>;
  Value min = Limits::has_infinity ? Limits::infinity() : Limits::max(),
        max = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  for (std::size_t at = 0; at < bytes.size(); at += element_bytes) {
    const Value value = element.read(&bytes[at]);
    if constexpr (std::is_floating_point_v<Value>) {
      if (std::isnan(value)) {
        ++sum.nans;
        continue;
      }
      sum.infinities += std::isinf(value);
    }
    min = std::min(min, value);
    max = std::max(max, value);
    sum.sum += static_cast<double>(value);
  }
  if (sum.nans == sum.elements) return sum;
  sum.min = min;
  sum.max = max;
  return sum;
}

TensorStatistics statistics_of(const Sum& sum, int rank) {
  const std::int64_t numbers = sum.elements - sum.nans;
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  return {.rank = rank,
          .elements = sum.elements,
          .nans = sum.nans,
          .infinities = sum.infinities,
          .min = numbers > 0 ? sum.min : nan,
          .max = numbers > 0 ? sum.max : nan,
          .mean = numbers > 0 ? sum.sum / static_cast<double>(numbers) : nan};
}

}  // namespace

std::vector<std::vector<TensorStatistics>> tensor_statistics(FileSystem& files, const Path& checkpoint, const Manifest& manifest,
                                                             const ReadProgress& progress) {
  std::map<std::string_view, DType> dtypes;
  for (const TensorInfo& tensor : manifest.tensors) dtypes[tensor.name] = tensor.dtype;
  std::vector<std::map<std::string_view, Sum>> of_shard(manifest.shards.size());  // each is one thread's own
  const BlockVisitor visit = [&](const ShardRecord& shard, const StoredBlock& block, std::span<const std::byte> bytes) {
    const std::string& tensor = block.piece->tensor;
    const DType dtype = dtypes.at(tensor);
    of_shard[static_cast<std::size_t>(shard.rank)][tensor].add(
        with_element(dtype, [&](auto element) { return sum_of(element, bytes, size_of(dtype)); }));
  };
  const std::vector<Finding> findings = scan_shards(files, checkpoint, manifest, visit, progress);
  if (!findings.empty()) throw CorruptCheckpoint(findings.front().text);

  std::vector<std::vector<TensorStatistics>> statistics;
  for (const TensorInfo& tensor : manifest.tensors) {
    std::vector<TensorStatistics>& of_tensor = statistics.emplace_back();
    Sum all;
    for (std::size_t rank = 0; rank < of_shard.size(); ++rank) {
      const Sum& part = of_shard[rank][tensor.name];
      if (tensor.kind == TensorKind::per_rank) of_tensor.push_back(statistics_of(part, static_cast<int>(rank)));
      all.add(part);
    }
    if (tensor.kind != TensorKind::per_rank) of_tensor.push_back(statistics_of(all, -1));
  }
  return statistics;
}

nlohmann::json to_json(long double value, DType dtype) {
  const bool is_integer = with_element(dtype, [](auto element) { return std::is_integral_v<typename decltype(element)::Value>; });
  if (is_integer && !std::isnan(value)) return static_cast<std::int64_t>(value);
  return number_to_json(static_cast<double>(value));
}

nlohmann::json to_json(const TensorStatistics& statistics, DType dtype) {
  nlohmann::json json = {{"elements", statistics.elements},       {"nans", statistics.nans},
                         {"infinities", statistics.infinities},   {"min", to_json(statistics.min, dtype)},
                         {"max", to_json(statistics.max, dtype)}, {"mean", number_to_json(statistics.mean)}};
  if (statistics.rank >= 0) json["rank"] = statistics.rank;
  return json;
}

}  // namespace holdfast
