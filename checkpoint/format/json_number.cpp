#include "checkpoint/format/json_number.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace holdfast {

using nlohmann::json;

json number_to_json(double value) { return std::isfinite(value) ? json(value) : json(fmt::format("{}", value)); }

double number_from_json(const json& stored) {
  if (!stored.is_string()) return stored.get<double>();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string& text = stored.get_ref<const std::string&>();
  return text == "inf" ? infinity : text == "-inf" ? -infinity : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace holdfast
