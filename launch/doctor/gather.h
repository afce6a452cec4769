// HostFinding out about this host. Blocks as long as the kernel, the file system or a program takes: the caller has the time limit.
#pragma once

#include "base/file_system.h"
#include "launch/doctor/facts.h"

namespace holdfast {

MachineFacts gather_machine();

/// What this program and `trainer` are made of; runs `trainer`, which may take `seconds`.
VersionFacts gather_versions(const Path& trainer, double seconds);

/// Writes up to `most_bytes`, for about a second, into a new file in `directory` (which is there), and removes it.
DiskFacts measure_disk(const Path& directory, std::int64_t most_bytes);

struct ProgramEnd {
  int exit_code = 0;  // 128 + the signal that ended it
  bool was_in_time = true;
  std::string output;  // standard output
};
/// Runs a program; after `seconds` it is killed.
ProgramEnd run_program(const std::vector<std::string>& words, double seconds);

}  // namespace holdfast
