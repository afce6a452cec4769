// What /proc tells of a process. All of it may be gone a moment later.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace holdfast {

/// The text of a file; empty where there is none, or it cannot be read.
std::string text_of_file(const std::string& path);
/// /proc/PID/`name`
std::string process_file(pid_t pid, const std::string& name);
/// 'R', 'S', 'D', 'T' …; 'Z' of one that has ended, and where there is none.
char process_state(pid_t pid);
/// Its parent; 0: there is no such process.
pid_t parent_of(pid_t pid);
/// Memory of the process that no other has: what its end would set free. 0: it is gone, or may not be looked at.
std::int64_t private_bytes(pid_t pid);
/// How long one waits for a process to come through execve.
inline constexpr std::chrono::milliseconds kExecveTime{200};
/// Of the environment that the process was started with. In execve it has none: waits for the new program's until `end_of_wait`.
std::optional<std::string> environment_value(pid_t pid, const std::string& variable,
                                             std::chrono::steady_clock::time_point end_of_wait = std::chrono::steady_clock::now() +
                                                                                                 kExecveTime);

}  // namespace holdfast
