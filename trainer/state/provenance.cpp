#include "trainer/state/provenance.h"

#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <set>

namespace holdfast {

using nlohmann::json;

namespace {

constexpr const char* kBucketOrder = "bucket_order";

json half_precision_instructions() {
  json names = json::array();
  for (const char* name : {"avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16"}) {
    const auto known = at::cpu::get_cpu_capabilities();
    const auto found = known.find(name);
    if (found != known.end() && found->second.isBool() && found->second.toBool()) names.push_back(name);
  }
  return names;
}

}  // namespace

json describe_environment(const Communicator& ranks, std::int64_t threads_per_rank, const Optimization& optimization,
                          NumberFormat compute) {
  json buckets = json::object(), order = json::object();
  for (const auto& optimizer : optimization.all()) {
    buckets[optimizer->name()] = optimizer->gradients().layout();
    if (!optimizer->gradients().order().empty()) order[optimizer->name()] = optimizer->gradients().order();
  }
  json environment = {{"world_size", ranks.size()},
                      {"ranks_per_host", ranks.local_size()},
                      {"threads_per_rank", threads_per_rank},
                      {"instruction_set", at::get_cpu_capability()},
                      {"holdfast", HOLDFAST_VERSION},
                      {"libtorch", libtorch_version()},
                      {"mpi", mpi_library_version()},
                      {"reduction", ranks.reduction()},
                      {"bucket_elements", std::move(buckets)},
                      {kBucketOrder, std::move(order)}};
  // Kernels for 16 bits are chosen by instructions that the level above does not tell.
  if (compute != NumberFormat::float32) environment["half_precision_instructions"] = half_precision_instructions();
  return environment;
}

void restore_bucket_order(const json& environment, Optimization& optimization) {
  const auto orders = environment.find(kBucketOrder);
  if (orders == environment.end()) return;  // of a version that had none
  for (const auto& optimizer : optimization.all()) {
    const auto order = orders->find(optimizer->name());
    if (order != orders->end() && order->size() == optimizer->gradients().parameters().size()) optimizer->gradients().set_order(*order);
  }
}

std::vector<std::string> environment_differences(const json& then, const json& now) {
  std::vector<std::string> differences;
  for (const auto& [key, value] : now.items())
    if (key == kBucketOrder)
      continue;  // it follows from the others, or has been taken over
    else if (!then.contains(key) || then[key] != value)
      differences.push_back(fmt::format("{} was {}, is {}", key, then.contains(key) ? then[key].dump() : "not recorded", value.dump()));
  return differences;
}

std::vector<std::string> option_differences(const json& then, const json& now) {
  const json before = then.flatten(), after = now.flatten();
  std::set<std::string> keys;
  for (const auto& [key, value] : before.items()) keys.insert(key);
  for (const auto& [key, value] : after.items()) keys.insert(key);
  std::vector<std::string> differences;
  for (const std::string& key : keys) {
    const std::string was = before.contains(key) ? before[key].dump() : "absent", is = after.contains(key) ? after[key].dump() : "absent";
    if (was == is) continue;
    std::string dotted = key.substr(1);
    for (char& c : dotted)
      if (c == '/') c = '.';
    differences.push_back(fmt::format("{}: {} -> {}", dotted, was, is));
  }
  return differences;
}

std::string libtorch_version() { return fmt::format("{}.{}.{}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH); }

}  // namespace holdfast
