// Strict reading of option structs: an unknown key, a wrong type or a value out of range is a ConfigError that says
// file:line:column (or which --set), what was expected, what was found and "did you mean".
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "options/field.h"
#include "options/tree.h"

namespace holdfast {

/// Fills `options` from `tree`; members that the tree does not name keep their value. T has `void describe(FieldVisitor&)`.
template <class T>
void read_options(const OptionTree& tree, T& options);

/// Every field with its value, as JSON (subtrees as they were given).
template <class T>
nlohmann::json to_json(T& options);

/// The machinery behind the templates.
std::unique_ptr<FieldVisitor> make_reader(const OptionTree& tree);
/// Throws ConfigError for the first key that no field has asked for. `reader` comes from make_reader.
void refuse_unknown_keys(FieldVisitor& reader);
nlohmann::json describe_to_json(const std::function<void(FieldVisitor&)>& describe);

template <class T>
void read_options(const OptionTree& tree, T& options) {
  const std::unique_ptr<FieldVisitor> reader = make_reader(tree);
  options.describe(*reader);
  refuse_unknown_keys(*reader);
}

}  // namespace holdfast
