// What the commands that change a directory of checkpoints have in common: nobody else may be working on it.
#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/run_lock.h"

namespace holdfast {

/// Where the checkpoints of `path`, a run directory or its checkpoints/, lie. Throws UsageError for what a run has set aside, DataError
/// where there are none.
Path directory_to_change(FileSystem& files, const Path& path, const std::string& command);

/// The lock of the run that the directory belongs to: held, no training starts, and where one trains it throws Error (69). Null for a
/// copy that no run can train in, since its name is not checkpoints/.
std::unique_ptr<RunLock> lock_against_training(FileSystem& files, const Path& path, const std::string& command);

}  // namespace holdfast
