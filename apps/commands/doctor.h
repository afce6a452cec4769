// `holdfast doctor`: whether the hosts are fit for a long job, before it starts.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Returns the exit code: 0 unless something was found that keeps a run from working. Throws UsageError, ConfigError, Error.
int doctor_command(const std::vector<std::string>& arguments);

}  // namespace holdfast
