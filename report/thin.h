// Fewer points that look the same: of each stretch of a curve the lowest and the highest stay, so that no spike is lost.
#pragma once

#include <cstddef>
#include <vector>

namespace holdfast {

struct Point {
  double x = 0, y = 0;
};

/// At most about `most` points, in their order; all of them where there are no more. Points that are not finite are left out.
std::vector<Point> thin_out(const std::vector<Point>& points, std::size_t most);

}  // namespace holdfast
