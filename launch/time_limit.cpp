#include "launch/time_limit.h"

#include <fmt/format.h>

#include <regex>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kLongest = 366 * kDay;

[[noreturn]] void refuse(const std::string& text, const std::string& option, const std::string& cause) {
  throw UsageError(to_string({.attempted = fmt::format("{} {}", option, text),
                              .expected = "a time of a minute to a year, such as 90m, 2h, 1h30m, 2d or 1-12:00:00",
                              .found = fmt::format("'{}'", text),
                              .cause = cause}));
}

std::int64_t number(const std::ssub_match& part) { return part.matched ? std::stoll(part.str()) : 0; }

}  // namespace

std::int64_t parse_time_limit(const std::string& text, const std::string& option) {
  static const std::regex units(R"((?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?)");
  static const std::regex clock(R"((?:(\d{1,5})-)?(\d{1,4}):([0-5]\d):([0-5]\d))"), days(R"((\d{1,5})-(\d{1,2})(?::([0-5]\d))?)");
  std::smatch parts;
  std::int64_t seconds = 0;
  const bool is_clock = std::regex_match(text, parts, clock);
  if (!text.empty() && (is_clock || std::regex_match(text, parts, units))) {
    seconds = number(parts[1]) * kDay + number(parts[2]) * kHour + number(parts[3]) * kMinute + number(parts[4]);
    if (is_clock && parts[1].matched && number(parts[2]) > 23) refuse(text, option, "a day has 24 hours");
  } else if (std::regex_match(text, parts, days)) {
    seconds = number(parts[1]) * kDay + number(parts[2]) * kHour + number(parts[3]) * kMinute;
    if (number(parts[2]) > 23) refuse(text, option, "a day has 24 hours");
  } else if (std::regex_match(text, std::regex(R"(\d+)"))) {
    refuse(text, option, "it has no unit");
  } else if (std::regex_match(text, std::regex(R"(\d+:\d+)"))) {
    refuse(text, option, "it may be hours and minutes or, as for Slurm, minutes and seconds");
  } else {
    refuse(text, option, "");
  }
  if (seconds < kMinute || seconds > kLongest) refuse(text, option, "");
  return seconds;
}

std::string slurm_time(std::int64_t seconds) {
  const std::int64_t days = seconds / kDay, rest = seconds % kDay;
  return fmt::format("{}{:02}:{:02}:{:02}", days > 0 ? fmt::format("{}-", days) : "", rest / kHour, rest % kHour / kMinute, rest % kMinute);
}

}  // namespace holdfast
