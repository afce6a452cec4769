// What a command is told of the run that it is about, made the same by all of them.
#pragma once

#include <filesystem>
#include <string>

#include "options/run_options.h"

namespace holdfast {

/// Absolute and without what says nothing: "runs/a/", "./runs/a" and "runs/b/../a" are one directory, and one name in messages, in the
/// environment of ranks and in the names made of it.
std::filesystem::path run_directory(const std::string& given);

/// Throws ConfigError where restart.min_ranks asks for more ranks than the run has.
void require_min_ranks(const Configuration& configuration, int ranks);

}  // namespace holdfast
