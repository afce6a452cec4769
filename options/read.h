// Strict reading of option structs: an unknown key, a wrong type or a value out of range is a ConfigError that says
// file:line:column (or which --set), what was expected, what was found and "did you mean". Any thread; no shared state.
//   An integer stands where a number is wanted, not the other way round. Only true and false are booleans. Any scalar is
//   text; quoted ones are nothing else. Numbers are finite. null (or nothing) is accepted for optional fields, and leaves
//   a section, list or map as it was.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "options/field.h"
#include "options/tree.h"

namespace holdfast {

/// The machinery behind the templates.
std::unique_ptr<FieldVisitor> make_reader(const OptionTree& tree);
/// Throws ConfigError for the first key that no field has asked for. `reader` comes from make_reader.
void refuse_unknown_keys(FieldVisitor& reader);
nlohmann::json describe_to_json(const std::function<void(FieldVisitor&)>& describe);

/// Fills `options` from `tree`; members that the tree does not name keep their value. T has `void describe(FieldVisitor&)`.
/// Throws ConfigError; `options` is then partly filled.
template <class T>
void read_options(const OptionTree& tree, T& options) {
  const std::unique_ptr<FieldVisitor> reader = make_reader(tree);
  options.describe(*reader);
  refuse_unknown_keys(*reader);
}

/// Every field with its value, as JSON (subtrees as they were given). The caller includes <nlohmann/json.hpp>.
template <class T, class Json = nlohmann::json>
Json to_json(const T& options) {
  T copy = options;  // describe() is one function for readers and writers, so it is not const
  return describe_to_json([&copy](FieldVisitor& visitor) { copy.describe(visitor); });
}

}  // namespace holdfast
