// Values counted in buckets that grow by a tenth from 1e-12 on, and their mirror images below zero: those that TensorBoard's own writers
// use. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace holdfast {

struct Histogram {
  double min = 0, max = 0, sum = 0, sum_of_squares = 0;
  std::int64_t count = 0;      // finite values; infinities and NaN are left out
  std::vector<double> limits;  // upper ends, ascending, of the buckets from the first to the last that holds a value
  std::vector<double> counts;
};

Histogram histogram_of(std::span<const float> values);

}  // namespace holdfast
