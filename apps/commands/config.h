// `holdfast config`: check, show and document configurations. Loads neither MPI nor LibTorch; what only the trainer knows
// it asks holdfast-train.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace holdfast {

/// `arguments`: what follows `holdfast config`. Returns the exit code. Throws UsageError and ConfigError.
int config_command(const std::vector<std::string>& arguments);

/// The same, with the folder in which holdfast-train is looked for.
int config_command(const std::vector<std::string>& arguments, const std::filesystem::path& program_directory);

}  // namespace holdfast
