// What /proc tells of a process. All of it may be gone a moment later.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace holdfast {

/// All of them.
std::vector<pid_t> process_ids();
/// /proc/PID/`name`; empty: there is no such process.
std::string process_file(pid_t pid, const std::string& name);
/// 'R', 'S', 'D', 'T' …; 'Z' of one that has ended, and where there is none.
char process_state(pid_t pid);
/// Its parent; 0: there is no such process.
pid_t parent_of(pid_t pid);
/// Memory of the process that no other has: what its end would set free. 0: it is gone, or may not be looked at.
std::int64_t private_bytes(pid_t pid);
/// The environment that the process was started with, "A=…" and so on, a zero byte after each; empty where it has none, is gone, or may not
/// be looked at. Nothing: it is in execve, and will have that of the new program in a moment.
std::optional<std::string> environment_of(pid_t pid);
/// Nothing: the environment has no such variable.
std::optional<std::string> value_in(const std::string& environment, const std::string& variable);
/// Both in one. Nothing also where the process is in execve.
std::optional<std::string> environment_value(pid_t pid, const std::string& variable);

}  // namespace holdfast
