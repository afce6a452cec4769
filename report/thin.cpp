#include "report/thin.h"

#include <algorithm>
#include <cmath>

namespace holdfast {

std::vector<Point> thin_out(const std::vector<Point>& points, std::size_t most) {
  std::vector<Point> finite;
  for (const Point& point : points)
    if (std::isfinite(point.x) && std::isfinite(point.y)) finite.push_back(point);
  if (finite.size() <= most) return finite;
  std::vector<Point> thin = {finite.front()};
  const std::size_t stretches = std::max<std::size_t>(1, most / 2);
  const auto lower = [](const Point& a, const Point& b) { return a.y < b.y; };
  for (std::size_t i = 0; i < stretches; ++i) {
    const auto begin = finite.begin() + static_cast<std::ptrdiff_t>(i * finite.size() / stretches);
    const auto end = finite.begin() + static_cast<std::ptrdiff_t>((i + 1) * finite.size() / stretches);
    if (begin == end) continue;
    auto [lowest, highest] = std::minmax_element(begin, end, lower);
    if (lowest > highest) std::swap(lowest, highest);
    thin.push_back(*lowest);
    if (lowest != highest) thin.push_back(*highest);
  }
  thin.push_back(finite.back());
  return thin;
}

}  // namespace holdfast
