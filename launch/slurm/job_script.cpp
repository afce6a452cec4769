#include "launch/slurm/job_script.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "base/error.h"
#include "launch/slurm/time_limit.h"

namespace holdfast {
namespace {

constexpr std::string_view kDirective = "#SBATCH ", kProgram = "program=", kArguments = "arguments=";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// "--time" of "--time=1:00:00" and of "--no-kill" itself.
std::string_view key_of(std::string_view option) { return option.substr(0, option.find_first_of("= ")); }

std::vector<std::string> own_options(const JobRequest& request) {
  std::vector<std::string> options = {fmt::format("--job-name={}", shell_word(request.name)),
                                      fmt::format("--nodes={}", request.nodes + request.spares),
                                      fmt::format("--ntasks-per-node={}", request.ranks_per_node)};
  if (request.cores_per_rank) options.push_back(fmt::format("--cpus-per-task={}", *request.cores_per_rank));
  options.push_back("--time=" + slurm_time(request.time_seconds));
  options.push_back(fmt::format("--signal=B:USR1@{}", request.warning_seconds));
  if (!request.partition.empty()) options.push_back("--partition=" + shell_word(request.partition));
  if (!request.account.empty()) options.push_back("--account=" + shell_word(request.account));
  options.insert(options.end(), request.options.begin(), request.options.end());
  return options;
}

/// The request's, then those of the pattern that it says nothing of.
std::vector<std::string> merged_options(const std::vector<std::string>& pattern, const JobRequest& request) {
  std::vector<std::string> options = own_options(request);
  std::vector<std::string> said = {"--ntasks", "--cpus-per-task"};  // the pattern's would contradict
  for (const std::string& option : options) said.emplace_back(key_of(option));
  for (const std::string& option : pattern)
    if (std::find(said.begin(), said.end(), key_of(option)) == said.end())
      options.push_back(key_of(option) == "--output" ? "--output=%x-%j.log" : option);
  return options;
}

std::string array_of(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const std::string& word : words) quoted.push_back(shell_word(word));
  return fmt::format("arguments=({})", fmt::join(quoted, " "));
}

}  // namespace

std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return text;
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') word += "'\\'";
    word += c;
  }
  word += '\'';
  return word;
}

std::string job_script(const std::string& pattern, const JobRequest& request) {
  const std::vector<std::string> lines = lines_of(pattern);
  std::vector<std::string> options, body;
  int programs = 0, arguments = 0;
  for (const std::string& line : lines) {
    if (line.starts_with(kDirective)) {
      options.push_back(line.substr(kDirective.size()));
    } else if (options.empty()) {
      continue;  // how to use the pattern, which is not how to use the script
    } else if (line.starts_with(kProgram)) {
      ++programs;
      body.push_back(fmt::format("{}{}", kProgram, shell_word(request.program)));
    } else if (line.starts_with(kArguments)) {
      ++arguments;
      body.push_back(array_of(request.arguments));
    } else {
      body.push_back(line);
    }
  }
  if (programs != 1 || arguments != 1 || lines.empty() || lines[0] != "#!/bin/bash")
    throw StorageError(ErrorText{.attempted = "read the pattern of job scripts, slurm/holdfast.sbatch",
                                 .expected = "#!/bin/bash, lines with #SBATCH, then one with program= and one with arguments=",
                                 .found = "others",
                                 .next = "install Holdfast anew (cmake --install)"});
  std::string script = fmt::format("#!/bin/bash\n# {}\n", request.made_by);
  for (const std::string& option : merged_options(options, request)) script += fmt::format("{}{}\n", kDirective, option);
  for (const std::string& line : body) script += line + "\n";
  return script;
}

}  // namespace holdfast
