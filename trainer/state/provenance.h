// What the bits of a run depend on beside its configuration and seed: stored in every manifest, compared on resume.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "trainer/optimization/optimization.h"

namespace holdfast {

/// Not collective. The order of buckets is there once it has been agreed on.
nlohmann::json describe_environment(const Communicator& ranks, std::int64_t threads_per_rank, const Optimization& optimization,
                                    NumberFormat compute);

/// The order of buckets that a manifest's environment has, for optimizers that own as many parameters as they did.
void restore_bucket_order(const nlohmann::json& environment, Optimization& optimization);

/// "threads_per_rank was 2, is 1" for each fact that differs and that bits may depend on.
std::vector<std::string> environment_differences(const nlohmann::json& then, const nlohmann::json& now);

/// "trainer.max_steps: 100 -> 200" for each leaf of two resolved configurations that differs.
std::vector<std::string> option_differences(const nlohmann::json& then, const nlohmann::json& now);

/// "2.11.0"
std::string libtorch_version();

}  // namespace holdfast
