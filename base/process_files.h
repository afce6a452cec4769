// What /proc tells of a process. All of it may be gone a moment later.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

namespace holdfast {

/// The text of a file; empty where there is none, or it may not be read.
std::string text_of_file(const std::string& path);
/// /proc/PID/`name`
std::string process_file(pid_t pid, const std::string& name);
/// Of the environment that the process was started with.
std::optional<std::string> environment_value(pid_t pid, const std::string& variable);

}  // namespace holdfast
