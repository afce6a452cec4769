#include "apps/commands/checkpoint/arguments.h"

#include <fmt/format.h>

#include "apps/command_line/parse.h"
#include "base/error.h"

namespace holdfast {

namespace po = boost::program_options;

CheckpointArguments::CheckpointArguments(const std::string& command, const std::vector<std::string>& words, std::size_t path_count,
                                         const po::options_description& options) {
  po::options_description all;
  all.add(options).add_options()("path", po::value(&paths_));
  const auto positions = po::positional_options_description().add("path", -1);
  values_ = parse_words({"holdfast ckpt " + command, "holdfast ckpt --help", all, positions}, words);
  if (paths_.size() != path_count)
    throw UsageError(fmt::format("holdfast ckpt {}: expected {} path{}, found {}\n  next: holdfast ckpt --help", command, path_count,
                                 path_count == 1 ? "" : "s", paths_.size()));
}

}  // namespace holdfast
