// What every thread of another process is doing: its call stacks, taken from outside by elfutils' libdw (ptrace), so that a process
// that is stopped, or that no longer runs its own handlers, tells too. May block for as long as the kernel does not let go of the
// process: call it from a process of its own that may be killed.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/file_system.h"

namespace holdfast {

/// "T (stopped)", as /proc has it; empty when there is no such process.
std::string state_of_process(pid_t pid);

/// Writes state and stacks of all threads of `pid` to `path`, thread by thread as they are taken. What could not be read is said in
/// the file. Returns false when the file cannot be written.
bool write_stacks(pid_t pid, const Path& path);

/// Of a C++ function as it is demangled: where it is and its name, without its parameters, template arguments and unnamed namespaces.
std::string function_name(std::string_view signature);

/// Of a file that write_stacks has written: the functions that the first thread is in, innermost first, at most `count`, as one line;
/// empty when there are none.
std::string innermost_functions(const Path& stacks, std::size_t count);

}  // namespace holdfast
