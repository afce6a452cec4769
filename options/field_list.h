// Every field of an option struct as data: what the reference, the schema and the tests of bad input are made from. Not a
// way to read or write values. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "options/expectation.h"
#include "options/field.h"

namespace holdfast {

/// Stand in a path for any name of a map and any index of a list.
inline constexpr std::string_view kAnyName = "NAME";
inline constexpr std::string_view kAnyIndex = "N";

struct DescribedField {
  std::vector<std::string> path;  // "optimizers", "NAME", "lr"
  FieldType type = FieldType::text;
  bool is_optional = false;  // null is a value of its own
  bool is_subtree = false;   // a section whose keys somebody else knows
  std::string default_json;  // of a scalar or list of scalars: the member's initial value
  std::string doc, unit;
  double min = 0, max = 0;
  bool min_is_excluded = false, max_is_excluded = false;
  std::vector<std::string> choices;
  bool takes_one_text = false;

  const std::string& name() const { return path.back(); }
  std::string dotted() const;
  bool is_group() const { return type == FieldType::section || type == FieldType::list || type == FieldType::map; }
};

/// In the order of the description, each section, list or map before what it holds.
std::vector<DescribedField> list_fields(const std::function<void(FieldVisitor&)>& describe);

template <class T>
std::vector<DescribedField> list_fields_of() {
  T defaults{};
  return list_fields([&defaults](FieldVisitor& visitor) { defaults.describe(visitor); });
}

}  // namespace holdfast
