#include "base/job_end.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>

#include "base/environment.h"
#include "base/program.h"

namespace holdfast {
namespace {

constexpr double kSqueueSeconds = 10;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  return text;
}

std::optional<double> seconds_from(std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc{} && end == text.data() + text.size() && seconds > 0 ? std::optional(seconds) : std::nullopt;
}

}  // namespace

std::optional<double> local_time_from(std::string_view text) {
  struct tm parts {};
  const std::string copy(trimmed(text));
  const char* end = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!end || *end != '\0') return std::nullopt;
  parts.tm_isdst = -1;
  const time_t seconds = ::mktime(&parts);
  return seconds == -1 ? std::nullopt : std::optional(static_cast<double>(seconds));
}

JobEnd job_end() {
  if (const auto told = environment::get("SLURM_JOB_END_TIME"))
    if (const auto seconds = seconds_from(*told)) return {.unix_seconds = seconds};
  const std::string job = environment::get("SLURM_JOB_ID").value_or("");
  if (job.empty() || !std::all_of(job.begin(), job.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) return {};
  const std::vector<std::string> words = {"squeue", "--noheader", "--jobs=" + job, "--format=%e"};
  const ProgramEnd end = run_program(words, {.seconds = kSqueueSeconds, .takes_errors = true});
  const std::string command = fmt::format("{}", fmt::join(words, " "));
  if (end.start_error != 0) return {.problem = command + ": " + std::strerror(end.start_error)};
  if (!end.was_in_time) return {.problem = fmt::format("{} was not over after {:.0f} s", command, kSqueueSeconds)};
  const std::string_view text = trimmed(end.output);
  if (const auto seconds = local_time_from(text)) return {.unix_seconds = seconds};
  if (text == "N/A") return {};  // no time limit
  return {.problem = command + " says '" + std::string(text) + "'"};
}

}  // namespace holdfast
