#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/host.h"

namespace holdfast {
namespace {

constexpr double kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;

/// "3 min 20 s"; the smaller unit only where it says something.
std::string two_units(double seconds, double large, const char* large_name, double small, const char* small_name) {
  const double total = std::round(seconds / small), per_large = large / small;
  const double whole = std::floor(total / per_large), rest = total - whole * per_large;
  return rest > 0 ? fmt::format("{:.0f} {} {:.0f} {}", whole, large_name, rest, small_name) : fmt::format("{:.0f} {}", whole, large_name);
}

std::string three_digits(double value) {
  const double size = std::abs(value);
  std::string text = size >= 99.95   ? fmt::format("{:.0f}", value)
                     : size >= 9.995 ? fmt::format("{:.1f}", value)
                                     : fmt::format("{:.2f}", value);
  if (text.find('.') == text.npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::string duration_figure(double seconds) {
  if (seconds == 0) return "0 s";
  if (seconds < 0.0995) return three_digits(seconds * 1000) + " ms";
  if (seconds < 99.5) return three_digits(seconds) + " s";
  if (seconds < kHour) return two_units(seconds, kMinute, "min", 1, "s");
  if (seconds < kDay) return two_units(seconds, kHour, "h", kMinute, "min");
  return two_units(seconds, kDay, "d", kHour, "h");
}

std::string bytes_figure(double bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; bytes >= 1023.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  return three_digits(bytes) + " " + kUnits[unit];
}

std::string number_figure(double value) {
  constexpr std::array kUnits = {"", " k", " M", " G", " T"};
  if (value == 0 || !std::isfinite(value)) return fmt::format("{}", value);
  if (std::abs(value) < 0.01) return fmt::format("{:.3g}", value);
  std::size_t unit = 0;
  for (; std::abs(value) >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return (std::abs(value) < 1 ? fmt::format("{:.3g}", value) : three_digits(value)) + kUnits[unit];
}

std::string moment_figure(double unix_seconds) {
  std::string text = utc_time(unix_seconds).substr(0, 19);
  std::replace(text.begin(), text.end(), 'T', ' ');
  return text;
}

std::vector<double> round_ticks(double low, double high, int count) {
  if (!std::isfinite(low) || !std::isfinite(high)) low = 0, high = 1;
  if (high - low < 1e-12 * std::max(1.0, std::abs(high))) {
    const double room = std::max(std::abs(high) * 0.1, 1e-6);
    low -= room, high += room;
  }
  const double rough = (high - low) / count, magnitude = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * magnitude;
  for (const double factor : {1.0, 2.0, 2.5, 5.0})
    if (factor * magnitude >= rough * 0.999) {
      step = factor * magnitude;
      break;
    }
  std::vector<double> ticks;
  for (double i = std::floor(low / step + 1e-9); i * step < high + step * (1 - 1e-9); ++i) ticks.push_back(i * step);
  return ticks;
}

}  // namespace holdfast
