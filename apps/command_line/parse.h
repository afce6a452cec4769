// The words of a command line against the options that a command knows. Every command reads them by the same rules: options may stand
// anywhere, and none may be abbreviated, since an abbreviation would change its meaning when another option is added.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace holdfast {

/// A command, and what may stand behind it.
struct CommandLine {
  std::string command;  // as it is typed: "holdfast run"
  std::string help;     // what prints its options: "holdfast run --help"
  boost::program_options::options_description options;
  boost::program_options::positional_options_description positions;  // the options that are given without their names
};

/// Fills what the options' values point to. Throws UsageError.
boost::program_options::variables_map parse_words(const CommandLine& line, const std::vector<std::string>& words);

/// The whole number that `option` ("--ranks") of `command` ("holdfast run") was given. Throws UsageError for anything else, and below
/// `least`.
int parse_count(const std::string& command, const std::string& option, const std::string& text, int least);

/// Adds a "--set KEY=VALUE" for each of `overrides`.
void add_overrides(std::vector<std::string>& words, const std::vector<std::string>& overrides);

/// What `options` says, on stdout.
void print_help(const boost::program_options::options_description& options);

}  // namespace holdfast
