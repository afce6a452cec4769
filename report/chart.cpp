#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "report/figures.h"

namespace holdfast {
namespace {

constexpr double kWidth = 860, kHeight = 240, kLeft = 64, kRight = 16, kTop = 12, kBottom = 40;
constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = kHeight - kTop - kBottom;
constexpr std::size_t kMostPoints = 800, kMostDots = 300, kMostMarks = 200, kMostLabels = 16;

std::string open_svg(const std::string& label, double height) {
  return fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", kWidth, height, escaped(label));
}

/// The axis of y, with a line across at each tick.
class Scale {
 public:
  Scale(double low, double high) : ticks_(round_ticks(low, high, 4)) {}
  double y(double value) const { return kTop + kPlotHeight * (1 - (value - ticks_.front()) / (ticks_.back() - ticks_.front())); }
  std::string svg(const Figure& figure) const {
    std::string svg;
    for (const double tick : ticks_)
      svg += fmt::format(
          R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>)",
          kLeft, kWidth - kRight, y(tick), y(tick), kLeft - 8, y(tick) + 4, escaped(figure(tick)));
    return svg;
  }

 private:
  std::vector<double> ticks_;
};

struct TimeUnit {
  double seconds;
  const char* name;
};
TimeUnit unit_of(double seconds) {
  if (seconds < 180) return {1, "seconds"};
  if (seconds < 3 * 3600) return {60, "minutes"};
  return seconds < 3 * 86400 ? TimeUnit{3600, "hours"} : TimeUnit{86400, "days"};
}

double x_of(double seconds, double all) { return kLeft + kPlotWidth * (all > 0 ? std::clamp(seconds / all, 0.0, 1.0) : 0.0); }

std::string time_axis(double seconds) {
  const TimeUnit unit = unit_of(seconds);
  std::string svg;
  for (const double tick : round_ticks(0, std::max(seconds, 1e-3) / unit.seconds, 8))
    if (tick * unit.seconds <= seconds * 1.0001)
      svg += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", x_of(tick * unit.seconds, seconds),
                         kHeight - kBottom + 16, fmt::format("{:.4g}", tick));
  return svg + fmt::format(R"(<text class="axis" x="{}" y="{}" text-anchor="middle">{} of training</text>)", kLeft + kPlotWidth / 2,
                           kHeight - 6, unit.name);
}

std::string marks_svg(const TimeChart& chart) {
  std::string svg;
  const std::size_t every = chart.marks.size() / kMostMarks + 1;
  for (std::size_t i = 0; i < chart.marks.size(); i += every) {
    const double x = x_of(chart.marks[i].x, chart.seconds);
    svg += fmt::format(R"(<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"><title>{3}</title></line>)", x, kTop,
                       kTop + kPlotHeight, escaped(chart.marks[i].title));
  }
  return svg;
}

/// A curve has a gap over each mark: nothing was measured between the end of an attempt and the first value of the next one.
std::vector<std::vector<Point>> cut_at_marks(const std::vector<Point>& points, const std::vector<Mark>& marks) {
  std::vector<std::vector<Point>> pieces;
  for (const Point& point : points) {
    const auto is_between = [&](const Mark& mark) { return pieces.back().back().x < mark.x && mark.x <= point.x; };
    if (pieces.empty() || std::any_of(marks.begin(), marks.end(), is_between)) pieces.emplace_back();
    pieces.back().push_back(point);
  }
  return pieces;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      case '\'': safe += "&#39;"; break;
      default: safe += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;  // no part of XML
    }
  return safe;
}

std::string time_chart(const TimeChart& chart) {
  const std::vector<Point> points = thin_out(chart.points, chart.is_curve ? kMostPoints : kMostDots);
  std::string svg = open_svg(chart.label, kHeight);
  const auto lower = [](const Point& a, const Point& b) { return a.y < b.y; };
  const auto [lowest, highest] = std::minmax_element(points.begin(), points.end(), lower);
  const Scale scale(points.empty() || chart.begins_at_zero ? 0 : lowest->y, points.empty() ? 1 : highest->y);
  svg += scale.svg(chart.figure) + time_axis(chart.seconds) + marks_svg(chart);
  if (points.empty())
    svg += fmt::format(R"(<text class="axis" x="{}" y="{}" text-anchor="middle">nothing was recorded</text>)", kWidth / 2,
                       kTop + kPlotHeight / 2);
  const auto dot = [&](const Point& point) {
    return fmt::format(R"(<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}</title></circle>)", x_of(point.x, chart.seconds),
                       scale.y(point.y), escaped(chart.figure(point.y)));
  };
  if (!chart.is_curve) {
    for (const Point& point : points) svg += dot(point);
    return svg + "</svg>";
  }
  for (const std::vector<Point>& piece : cut_at_marks(points, chart.marks)) {
    std::string places;
    for (const Point& point : piece) places += fmt::format("{:.1f},{:.1f} ", x_of(point.x, chart.seconds), scale.y(point.y));
    svg += piece.size() > 1 ? fmt::format(R"(<polyline class="curve" points="{}"/>)", places) : dot(piece.front());
  }
  return svg + "</svg>";
}

std::string bar_chart(const std::string& label, const std::vector<Bar>& bars, const Figure& figure) {
  double highest = 0;
  for (const Bar& bar : bars) highest = std::max(highest, bar.value + bar.rest);
  const Scale scale(0, highest > 0 ? highest : 1);
  std::string svg = open_svg(label, kHeight) + scale.svg(figure);
  const double pitch = std::min(72.0, kPlotWidth / static_cast<double>(std::max<std::size_t>(bars.size(), 1))), width = pitch * 0.72;
  const std::size_t every = (bars.size() + kMostLabels - 1) / kMostLabels;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double x = kLeft + pitch * (static_cast<double>(i) + 0.5) - width / 2;
    const auto box = [&](const char* color, double from, double to) {
      return fmt::format(R"(<rect class="{}" x="{:.1f}" width="{:.1f}" y="{:.1f}" height="{:.1f}"/>)", color, x, width, scale.y(to),
                         scale.y(from) - scale.y(to));
    };
    svg += fmt::format("<g><title>{}</title>{}{}</g>", escaped(bar.title), box(bar.is_marked ? "bar marked" : "bar", 0, bar.value),
                       bar.rest > 0 ? box("bar rest", bar.value, bar.value + bar.rest) : "");
    if (i % every == 0)
      svg += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", x + width / 2, kHeight - kBottom + 16,
                         escaped(bar.label));
  }
  return svg + fmt::format(R"(<text class="axis" x="{}" y="{}" text-anchor="middle">rank</text></svg>)",
                           kLeft + std::min(kPlotWidth, pitch * static_cast<double>(bars.size())) / 2, kHeight - 6);
}

std::string share_bar(const std::string& label, const std::vector<Share>& shares) {
  constexpr double kBarHeight = 44;
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0, [](double sum, const Share& share) { return sum + share.value; });
  std::string svg = open_svg(label, kBarHeight);
  double x = 0;
  for (const Share& share : shares) {
    const double width = all > 0 ? kWidth * share.value / all : 0;
    if (width > 0.05)
      svg += fmt::format(R"(<rect class="{}" x="{:.2f}" width="{:.2f}" y="0" height="{}"><title>{}</title></rect>)", share.color, x, width,
                         kBarHeight, escaped(share.title));
    x += width;
  }
  return svg + "</svg>";
}

}  // namespace holdfast
