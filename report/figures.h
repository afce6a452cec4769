// How the report writes its numbers, in text and in pictures.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// "0.13 s", "12.5 s", "3 min 20 s", "5 h 10 min"
std::string duration_figure(double seconds);
/// "6.3 MiB"
std::string bytes_figure(double bytes);
/// "1.3 k", "0.052": three digits that matter
std::string number_figure(double value);
/// UTC, "2026-11-23 12:49:50"
std::string moment_figure(double unix_seconds);

/// Round numbers that cut [low, high] into about `count` parts, from `low` or below to `high` or above.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace holdfast
