// `holdfast run`: trains under supervision, over restarts.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Returns the exit code. Throws UsageError, ConfigError, Error.
int run_command(const std::vector<std::string>& arguments);

}  // namespace holdfast
