#include "options/expectation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace holdfast {

std::string range_text(const Field& field) {
  const bool has_min = std::isfinite(field.min);
  const bool has_max = std::isfinite(field.max);
  if (has_min && has_max && !field.min_is_excluded && !field.max_is_excluded) return fmt::format("{} to {}", field.min, field.max);
  const std::string above = fmt::format("{}{}", field.min_is_excluded ? "more than " : "", field.min);
  const std::string below = fmt::format("{} {}", field.max_is_excluded ? "less than" : "at most", field.max);
  if (has_min && has_max) return field.min_is_excluded ? above + ", " + below : fmt::format("{} or more, {}", field.min, below);
  if (has_max) return below;
  if (has_min) return field.min_is_excluded ? above : fmt::format("{} or more", field.min);
  return "";
}

std::string type_text(FieldType type, const Field& field) {
  switch (type) {
    case FieldType::boolean: return "true or false";
    case FieldType::integer: return "an integer";
    case FieldType::number: return "a number";
    case FieldType::text: return field.choices.empty() ? "text" : fmt::format("one of {}", fmt::join(field.choices, ", "));
    case FieldType::integers: return "a list of integers";
    case FieldType::numbers: return "a list of numbers";
    case FieldType::texts: return field.takes_one_text ? "a text or a list of texts" : "a list of texts";
    case FieldType::section: return "a section (keys and values)";
    case FieldType::list: return "a list of sections";
    case FieldType::map: return "sections by name";
  }
  return "";
}

std::string expectation(FieldType type, const Field& field) {
  std::string in_brackets(field.unit);
  if (const std::string range = range_text(field); !range.empty()) in_brackets += (in_brackets.empty() ? "" : ", ") + range;
  const std::string text = type_text(type, field);
  return in_brackets.empty() ? text : fmt::format("{} ({})", text, in_brackets);
}

bool is_in_range(const Field& field, double value) {
  if (value < field.min || value > field.max) return false;
  return !(field.min_is_excluded && value == field.min) && !(field.max_is_excluded && value == field.max);
}

}  // namespace holdfast
