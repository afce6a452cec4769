#include "base/json_value.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace holdfast {

using nlohmann::json;

json number_to_json(double value) { return std::isfinite(value) ? json(value) : json(fmt::format("{}", value)); }

double number_from_json(const json& stored) {
  if (stored.is_number()) return stored.get<double>();
  const double infinity = std::numeric_limits<double>::infinity();
  if (stored == "inf") return infinity;
  if (stored == "-inf") return -infinity;
  if (stored == "nan" || stored == "-nan") return std::numeric_limits<double>::quiet_NaN();
  throw std::invalid_argument("expected a number, inf, -inf or nan, found " + stored.dump());
}

const json& list_from_json(const json& stored) {
  if (!stored.is_array()) throw std::invalid_argument("expected a list, found " + stored.dump());
  return stored;
}

}  // namespace holdfast
