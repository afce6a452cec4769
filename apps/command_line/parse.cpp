#include "apps/command_line/parse.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "base/error.h"

namespace holdfast {

namespace po = boost::program_options;

po::variables_map parse_words(const CommandLine& line, const std::vector<std::string>& words) {
  po::variables_map values;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(line.options).positional(line.positions).style(style).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    throw UsageError(fmt::format("{}: {}\n  next: {}", line.command, error.what(), line.help));
  }
  return values;
}

int parse_count(const std::string& command, const std::string& option, const std::string& text, int least) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < least)
    throw UsageError(fmt::format("{0}: the argument ('{1}') for option '{2}' is invalid: expected {3} or more\n  next: {0} --help", command,
                                 text, option, least));
  return count;
}

void add_overrides(std::vector<std::string>& words, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) words.insert(words.end(), {"--set", text});
}

void print_help(const po::options_description& options) {
  std::ostringstream text;
  text << options;
  fmt::print("{}", text.str());
}

}  // namespace holdfast
