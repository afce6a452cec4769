#include "report/chart.h"

#include <gmock/gmock.h>

#include <regex>

#include "report/figures.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Escaped, LeavesNothingThatWouldBePartOfThePage) {
  EXPECT_EQ(escaped("<b a=\"1\" c='2'>&\x01"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp; ");
}

TEST(TimeChart, DrawsALineForEachRestartAndTheCurveWithAGapThere) {
  const std::string svg = time_chart({.label = "loss",
                                      .points = {{0, 1}, {20, 3}, {50, 2}, {70, 1}, {100, 1}},
                                      .marks = {{40, "attempt 2"}, {60, "<3>"}},
                                      .seconds = 100,
                                      .figure = number_figure});
  EXPECT_EQ(count(svg, "class=\"mark\""), 2);
  EXPECT_THAT(svg, HasSubstr("&lt;3&gt;"));
  EXPECT_THAT(svg, HasSubstr("seconds of training"));
  EXPECT_EQ(count(svg, "<polyline"), 2);
  EXPECT_EQ(count(svg, "<circle"), 1);  // one value between the two restarts
}

TEST(TimeChart, OfNothingSaysSo) {
  for (const double seconds : {0.0, 100.0})
    EXPECT_THAT(time_chart({.label = "loss", .points = {}, .marks = {}, .seconds = seconds, .figure = number_figure}),
                HasSubstr("nothing was recorded"));
}

TEST(TimeChart, OfOnePointIsADot) {
  EXPECT_THAT(time_chart({.label = "loss", .points = {{0, 1}}, .marks = {}, .seconds = 0, .figure = number_figure}), HasSubstr("<circle"));
}

TEST(Charts, HoldNoNumberThatIsNone) {
  const std::vector<std::string> svgs = {
      time_chart({.label = "", .points = {{0, 0}}, .marks = {}, .seconds = 0, .figure = number_figure}), bar_chart("", {}, number_figure),
      bar_chart("", {{.label = "0", .title = "", .value = 0, .rest = 0}}, number_figure), share_bar("", {{"", "a", 0}})};
  for (const std::string& svg : svgs) {
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
}

TEST(BarChart, HasABarForEachOfManyAndLabelsThatDoNotTouch) {
  std::vector<Bar> bars;
  for (int i = 0; i < 1000; ++i) bars.push_back({.label = std::to_string(i), .title = "", .value = 1, .rest = 1, .is_marked = i == 3});
  const std::string svg = bar_chart("ranks", bars, number_figure);
  EXPECT_EQ(count(svg, "class=\"bar"), 2000);
  EXPECT_EQ(count(svg, "marked"), 1);
  EXPECT_LE(count(svg, "text-anchor=\"middle\""), 17);
}

TEST(ShareBar, FillsItsWidth) {
  const std::string svg = share_bar("causes", {{"a", "x", 1}, {"b", "y", 3}});
  EXPECT_THAT(svg, HasSubstr("class=\"x\" x=\"0.00\" width=\"215.00\""));
  EXPECT_THAT(svg, HasSubstr("class=\"y\" x=\"215.00\" width=\"645.00\""));
}

}  // namespace
}  // namespace holdfast
