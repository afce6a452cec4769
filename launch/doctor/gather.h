// Finds out about the host that it runs on. Blocks as long as the kernel, the file system or a program takes: the caller has the time
// limit.
#pragma once

#include "base/file_system.h"
#include "launch/doctor/facts.h"

namespace holdfast {

MachineFacts gather_machine();

/// What this program and `trainer` are made of; runs `trainer`, which may take `seconds`.
VersionFacts gather_versions(const Path& trainer, double seconds);

/// Writes up to `most_bytes`, for about a second, into a new file in `directory` (which is there), and removes it.
DiskFacts measure_disk(const Path& directory, std::int64_t most_bytes);

}  // namespace holdfast
