#include "options/duration.h"

#include <charconv>
#include <cmath>
#include <string>
#include <vector>

namespace holdfast {
namespace {

std::optional<double> number_from(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || text.starts_with('-') || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// "DD:HH:MM:SS" or "HH:MM:SS"
std::optional<double> from_fields(std::string_view text) {
  std::vector<double> fields;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t colon = std::min(text.find(':', at), text.size());
    const std::optional<double> field = number_from(text.substr(at, colon - at));
    if (!field || *field != std::floor(*field)) return std::nullopt;
    fields.push_back(*field);
    at = colon + 1;
  }
  if (fields.size() == 3) fields.insert(fields.begin(), 0);
  if (fields.size() != 4 || fields[3] >= 60 || fields[2] >= 60 || (fields[0] > 0 && fields[1] >= 24)) return std::nullopt;
  return ((fields[0] * 24 + fields[1]) * 60 + fields[2]) * 60 + fields[3];
}

/// "1d2h30m15s": each unit at most once, the larger ones first.
std::optional<double> from_units(std::string_view text) {
  constexpr std::string_view kUnits = "dhms";
  constexpr double kSeconds[] = {86400, 3600, 60, 1};
  double sum = 0;
  for (std::size_t next = 0; !text.empty();) {
    const std::size_t length = text.find_first_of(kUnits);
    if (length == text.npos) return std::nullopt;
    const std::size_t unit = kUnits.find(text[length]);
    const std::optional<double> count = number_from(text.substr(0, length));
    if (!count || unit < next) return std::nullopt;
    sum += *count * kSeconds[unit];
    next = unit + 1;
    text.remove_prefix(length + 1);
  }
  return sum;
}

}  // namespace

std::optional<double> duration_from(std::string_view text) {
  std::optional<double> seconds = text.find(':') != text.npos               ? from_fields(text)
                                  : text.find_first_of("dhms") != text.npos ? from_units(text)
                                                                            : number_from(text);
  if (seconds && *seconds > 0) return seconds;
  return std::nullopt;
}

}  // namespace holdfast
