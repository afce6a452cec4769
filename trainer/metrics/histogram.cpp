#include "trainer/metrics/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace holdfast {
namespace {

std::vector<double> bucket_limits() {
  std::vector<double> limits;
  for (double limit = 1e-12; limit < 1e20; limit *= 1.1) limits.push_back(limit);
  limits.push_back(std::numeric_limits<double>::max());
  const std::size_t positive = limits.size();
  for (std::size_t i = 0; i < positive; ++i) limits.push_back(-limits[i]);
  limits.push_back(0);
  std::sort(limits.begin(), limits.end());
  return limits;
}

}  // namespace

Histogram histogram_of(std::span<const float> values) {
  static const std::vector<double> limits = bucket_limits();
  Histogram histogram{.min = std::numeric_limits<double>::infinity(), .max = -std::numeric_limits<double>::infinity()};
  std::vector<double> counts(limits.size());
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    histogram.min = std::min(histogram.min, value);
    histogram.max = std::max(histogram.max, value);
    histogram.sum += value;
    histogram.sum_of_squares += value * value;
    ++histogram.count;
    ++counts[static_cast<std::size_t>(std::lower_bound(limits.begin(), limits.end(), value) - limits.begin())];
  }
  if (histogram.count == 0) return {};
  const auto is_held = [](double count) { return count > 0; };
  const auto first = std::find_if(counts.begin(), counts.end(), is_held),
             last = std::find_if(counts.rbegin(), counts.rend(), is_held).base();
  histogram.counts.assign(first, last);
  histogram.limits.assign(limits.begin() + (first - counts.begin()), limits.begin() + (last - counts.begin()));
  return histogram;
}

}  // namespace holdfast
