#include "apps/commands/checkpoint/arguments.h"

#include <fmt/format.h>

#include "base/error.h"

namespace holdfast {

namespace po = boost::program_options;

CheckpointArguments::CheckpointArguments(const std::string& command, const std::vector<std::string>& words, std::size_t path_count,
                                         const po::options_description& options) {
  po::options_description all;
  all.add(options).add_options()("path", po::value(&paths_));
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(
        po::command_line_parser(words).options(all).positional(po::positional_options_description().add("path", -1)).style(style).run(),
        values_);
    po::notify(values_);
  } catch (const po::error& error) {
    throw UsageError(fmt::format("holdfast ckpt {}: {}\n  next: holdfast ckpt --help", command, error.what()));
  }
  if (paths_.size() != path_count)
    throw UsageError(fmt::format("holdfast ckpt {}: expected {} path{}, found {}\n  next: holdfast ckpt --help", command, path_count,
                                 path_count == 1 ? "" : "s", paths_.size()));
}

}  // namespace holdfast
