// What a path that a person gave stands for: a checkpoint of any role, or a run directory, which means its states. It changes nothing.
// Any thread.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace holdfast {

/// The checkpoint itself, whatever became of what is in it, or the states of a run directory, oldest first. Links are followed, the paths
/// are absolute. Empty: `given` is neither.
std::vector<Path> states_of(FileSystem& files, const Path& given);

/// What lies at a path that is not what was expected: for ErrorText::found.
std::string found_at(FileSystem& files, const Path& path, const std::string& otherwise);

/// The error about a path that stands for no checkpoint.
ErrorText no_checkpoint_at(FileSystem& files, const Path& given, const std::string& attempted);

}  // namespace holdfast
