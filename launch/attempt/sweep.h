// Finding and killing what belongs to an attempt or a rank by what stands in its environment, which every process inherits
// from the one that started it, whatever session or process group it moved to.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace holdfast {

/// Processes (zombies left out, this one left out) whose environment has the variable `name` with exactly `value`. Waits for those that
/// are in execve, for 0.2 s all together.
std::vector<pid_t> processes_with(const std::string& name, const std::string& value);

/// SIGKILLs them until none is left or `seconds` have passed, and 0.2 s more where a process is in execve. Blocks. Returns the number that
/// is left.
int sweep(const std::string& name, const std::string& value, double seconds);

}  // namespace holdfast
