#include "trainer/metrics/numbers.h"

namespace holdfast {
namespace {

using Numbers = std::vector<std::pair<std::string, nlohmann::json>>;

void collect(const nlohmann::json& object, const std::string& prefix, char separator, Numbers& numbers) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object())
      collect(value, prefix + key + separator, separator, numbers);
    else if (value.is_number())
      numbers.emplace_back(prefix + key, value);
  }
}

}  // namespace

Numbers numbers_of(const nlohmann::json& line, char separator) {
  Numbers numbers;
  collect(line, "", separator, numbers);
  return numbers;
}

}  // namespace holdfast
