#include "report/figures.h"

#include <gmock/gmock.h>

#include <cmath>

#include "report/thin.h"

namespace holdfast {
namespace {

TEST(Figures, HaveThreeDigitsThatMatter) {
  EXPECT_EQ(duration_figure(0.00052), "0.52 ms");
  EXPECT_EQ(duration_figure(0), "0 s");
  EXPECT_EQ(duration_figure(0.25), "0.25 s");
  EXPECT_EQ(duration_figure(12.34), "12.3 s");
  EXPECT_EQ(duration_figure(200), "3 min 20 s");
  EXPECT_EQ(duration_figure(119.7), "2 min");
  EXPECT_EQ(duration_figure(3 * 3600 + 600), "3 h 10 min");
  EXPECT_EQ(duration_figure(2 * 86400), "2 d");
  EXPECT_EQ(bytes_figure(0), "0 B");
  EXPECT_EQ(bytes_figure(6608768), "6.3 MiB");
  EXPECT_EQ(bytes_figure(1023.9), "1 KiB");
  EXPECT_EQ(number_figure(1234), "1.23 k");
  EXPECT_EQ(number_figure(0.0521), "0.0521");
  EXPECT_EQ(number_figure(0), "0");
  EXPECT_EQ(moment_figure(0), "1970-01-01 00:00:00");
}

TEST(RoundTicks, EncloseTheValuesWithRoundNumbers) {
  EXPECT_THAT(round_ticks(0, 10, 5), testing::ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(round_ticks(0.3, 2.2, 4), testing::ElementsAre(0, 0.5, 1, 1.5, 2, 2.5));
  for (const double low : {-5.0, 0.0, 1e-9, 0.3, 7.0, 1e12})
    for (const double size : {0.0, 1e-9, 0.001, 1.0, 12345.0}) {
      const std::vector<double> ticks = round_ticks(low, low + size, 4);
      ASSERT_GE(ticks.size(), 2u) << low << " " << size;
      EXPECT_LE(ticks.size(), 10u) << low << " " << size;
      EXPECT_LE(ticks.front(), low + 1e-9 * std::abs(low));
      EXPECT_GE(ticks.back(), low + size - 1e-9 * std::abs(low));
    }
  EXPECT_GE(round_ticks(NAN, INFINITY, 4).size(), 2u);
}

TEST(ThinOut, KeepsTheEndsAndEverySpike) {
  std::vector<Point> points;
  for (int i = 0; i < 100'000; ++i) points.push_back({static_cast<double>(i), i == 54'321 ? 9.0 : i == 77'777 ? -9.0 : std::sin(i)});
  points.push_back({100'000, NAN});
  const std::vector<Point> thin = thin_out(points, 800);
  EXPECT_LE(thin.size(), 802u);
  EXPECT_EQ(thin.front().x, 0);
  EXPECT_EQ(thin.back().x, 99'999);
  for (const double spike : {54'321.0, 77'777.0})
    EXPECT_TRUE(std::any_of(thin.begin(), thin.end(), [&](const Point& point) { return point.x == spike; })) << spike;
  for (std::size_t i = 1; i < thin.size(); ++i) EXPECT_LE(thin[i - 1].x, thin[i].x);
}

TEST(ThinOut, LeavesFewPointsAsTheyAre) {
  EXPECT_EQ(thin_out({{0, 1}, {1, 2}}, 800).size(), 2u);
  EXPECT_TRUE(thin_out({}, 800).empty());
}

}  // namespace
}  // namespace holdfast
