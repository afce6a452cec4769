// holdfast config plan: what a run will do, before it does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace holdfast {

/// Asks `trainer` for the sizes of data and tensors. Prints a summary, or JSON. Returns the exit code.
int plan_command(const std::string& config, const std::vector<std::string>& overrides, bool wants_json,
                 const std::filesystem::path& trainer);

}  // namespace holdfast
