// `holdfast submit`: the script of a Slurm job for a configuration, printed, written, or handed to sbatch.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Returns the exit code. Throws UsageError, ConfigError.
int submit_command(const std::vector<std::string>& words);

}  // namespace holdfast
