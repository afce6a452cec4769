// holdfast config plan: what a run will do, before it does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "options/run_options.h"

namespace holdfast {

/// What `config plan --json` prints. `sizes`: what `holdfast-train --describe` has printed.
nlohmann::json plan_facts(const Configuration& configuration, const nlohmann::json& sizes);

/// Asks `trainer` for the sizes of data and tensors. Prints a summary, or JSON. Returns the exit code.
int plan_command(const std::string& config, const std::vector<std::string>& overrides, bool wants_json,
                 const std::filesystem::path& trainer);

}  // namespace holdfast
