#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "trainer/metrics/histogram.h"

namespace holdfast {
namespace {

TEST(HistogramOf, EveryValueIsInTheBucketWhoseEndsLieAroundIt) {
  std::vector<float> values;
  for (int i = -500; i < 500; ++i) values.push_back(std::pow(10.0f, static_cast<float>(i) / 100) * (i % 2 ? 1.0f : -1.0f));
  const Histogram histogram = histogram_of(values);
  ASSERT_EQ(histogram.limits.size(), histogram.counts.size());
  EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0), 1000);
  for (std::size_t i = 1; i < histogram.limits.size(); ++i) {
    const auto inside = [&](float value) { return value > histogram.limits[i - 1] && value <= histogram.limits[i]; };
    EXPECT_EQ(std::count_if(values.begin(), values.end(), inside), histogram.counts[i]) << "up to " << histogram.limits[i];
  }
}

TEST(HistogramOf, FiguresAreThoseOfTheFiniteValues) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Histogram histogram = histogram_of(std::vector<float>{1, -2, infinity, -infinity, std::nanf(""), 0});
  EXPECT_EQ(histogram.count, 3);
  EXPECT_EQ(histogram.min, -2);
  EXPECT_EQ(histogram.max, 1);
  EXPECT_EQ(histogram.sum, -1);
  EXPECT_EQ(histogram.sum_of_squares, 5);
}

TEST(HistogramOf, NothingHasNone) {
  EXPECT_EQ(histogram_of({}).count, 0);
  EXPECT_THAT(histogram_of(std::vector<float>{std::nanf("")}).limits, testing::IsEmpty());
}

}  // namespace
}  // namespace holdfast
