#include "bench/scale/big_model.h"

#include <fmt/format.h>

#include <utility>

namespace holdfast {
namespace {

constexpr std::int64_t kWidth = 1792, kBlocks = 24, kVocabulary = 50257, kContext = 1024;

void add(std::vector<StateEntry>& entries, TensorInfo info) {
  const Slice slice{0, info.elements()};
  entries.push_back({.info = std::move(info), .slice = slice, .copy_to = {}, .copy_from = {}});
}

}  // namespace

std::vector<StateEntry> big_model() {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> weights = {{"token.weight", {kVocabulary, kWidth}},
                                                                            {"position.weight", {kContext, kWidth}}};
  for (std::int64_t block = 0; block < kBlocks; ++block)
    for (const auto& [name, shape] : std::vector<std::pair<const char*, std::vector<std::int64_t>>>{{"norm1.weight", {kWidth}},
                                                                                                    {"norm1.bias", {kWidth}},
                                                                                                    {"qkv.weight", {3 * kWidth, kWidth}},
                                                                                                    {"qkv.bias", {3 * kWidth}},
                                                                                                    {"projection.weight", {kWidth, kWidth}},
                                                                                                    {"projection.bias", {kWidth}},
                                                                                                    {"norm2.weight", {kWidth}},
                                                                                                    {"norm2.bias", {kWidth}},
                                                                                                    {"up.weight", {4 * kWidth, kWidth}},
                                                                                                    {"up.bias", {4 * kWidth}},
                                                                                                    {"down.weight", {kWidth, 4 * kWidth}},
                                                                                                    {"down.bias", {kWidth}}})
      weights.emplace_back(fmt::format("blocks.{}.{}", block, name), shape);
  weights.emplace_back("norm.weight", std::vector{kWidth});
  weights.emplace_back("norm.bias", std::vector{kWidth});

  std::vector<StateEntry> entries;
  for (const auto& [name, shape] : weights) add(entries, {kModelPrefix + name, DType::f32, shape});
  for (const auto& [name, shape] : weights) {
    for (const char* moment : {"exp_avg", "exp_avg_sq"})
      add(entries, {fmt::format("{}main/{}/{}", kOptimizerPrefix, name, moment), DType::f32, shape});
    add(entries, {fmt::format("{}main/{}/step", kOptimizerPrefix, name), DType::f32, {}});
  }
  add(entries, {"rng/cpu", DType::u8, {5056}, TensorKind::per_rank});
  entries.push_back(step_entry(1000));
  return entries;
}

std::int64_t parameters_of(const std::vector<StateEntry>& entries) {
  std::int64_t sum = 0;
  for (const StateEntry& entry : weights_of(entries)) sum += entry.info.elements();
  return sum;
}

}  // namespace holdfast
