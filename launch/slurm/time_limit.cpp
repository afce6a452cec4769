#include "launch/slurm/time_limit.h"

#include <fmt/format.h>

#include <optional>
#include <regex>

#include "base/error.h"
#include "options/duration.h"

namespace holdfast {
namespace {

constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kLongest = 366 * kDay;

[[noreturn]] void refuse(const std::string& text, const std::string& option, const std::string& cause) {
  throw UsageError(to_string({.attempted = fmt::format("{} {}", option, text),
                              .expected = "a time of a minute to a year, such as 90m, 2h, 1h30m, 2d or 1-12:00:00",
                              .found = fmt::format("'{}'", text),
                              .cause = cause}));
}

/// "1-12", "1-12:30", "1-12:30:00": Slurm's days, which nobody else writes so.
std::optional<std::int64_t> days_of_slurm(const std::string& text, const std::string& option) {
  static const std::regex form(R"((\d{1,5})-(\d{1,2})(?::([0-5]\d))?(?::([0-5]\d))?)");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  const auto number = [&parts](std::size_t part) { return parts[part].matched ? std::stoll(parts[part].str()) : 0; };
  if (number(2) > 23) refuse(text, option, "a day has 24 hours");
  return number(1) * kDay + number(2) * kHour + number(3) * kMinute + number(4);
}

}  // namespace

std::int64_t parse_time_limit(const std::string& text, const std::string& option) {
  if (std::regex_match(text, std::regex(R"(\d+)"))) refuse(text, option, "it has no unit");
  if (std::regex_match(text, std::regex(R"(\d+:\d+)")))
    refuse(text, option, "it may be hours and minutes or, as for Slurm, minutes and seconds");
  std::optional<std::int64_t> seconds = days_of_slurm(text, option);
  if (!seconds && text.find('.') == text.npos)
    if (const std::optional<double> duration = duration_from(text); duration && *duration <= kLongest)
      seconds = static_cast<std::int64_t>(*duration);
  if (!seconds || *seconds < kMinute || *seconds > kLongest) refuse(text, option, "");
  return *seconds;
}

std::string slurm_time(std::int64_t seconds) {
  const std::int64_t days = seconds / kDay, rest = seconds % kDay;
  return fmt::format("{}{:02}:{:02}:{:02}", days > 0 ? fmt::format("{}-", days) : "", rest / kHour, rest % kHour / kMinute, rest % kMinute);
}

}  // namespace holdfast
