// Pictures as inline SVG: curves over time, bars, and one bar cut into shares. Pure. Colours are classes and variables of the page's style
// sheet, so that one picture serves light and dark; words come escaped.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "report/thin.h"

namespace holdfast {

using Figure = std::function<std::string(double)>;

/// For HTML and SVG, in text and in attributes.
std::string escaped(std::string_view text);

/// A moment that deserves a line from top to bottom.
struct Mark {
  double x = 0;
  std::string title;
};

struct TimeChart {
  std::string label;          // what it shows, for who does not see it
  std::vector<Point> points;  // x: seconds
  std::vector<Mark> marks;    // a curve has a gap over each
  double seconds = 0;         // the axis ends there
  Figure figure;              // of y
  bool is_curve = true;       // false: a dot each
  bool begins_at_zero = false;
};
std::string time_chart(const TimeChart& chart);

struct Bar {
  std::string label, title;
  double value = 0, rest = 0;  // `rest` stands on top, paler
  bool is_marked = false;
};
std::string bar_chart(const std::string& label, const std::vector<Bar>& bars, const Figure& figure);

struct Share {
  std::string title, color;  // a class
  double value = 0;
};
std::string share_bar(const std::string& label, const std::vector<Share>& shares);

}  // namespace holdfast
