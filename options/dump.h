// What option structs and trees hold, written out: JSON with keys in the order of `describe`, and YAML of the same. Not
// the reference, which describes the fields themselves. Pure.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "options/field.h"

namespace holdfast {

/// Every field with its value, in the order of the description.
nlohmann::ordered_json describe_to_ordered_json(const std::function<void(FieldVisitor&)>& describe);

/// The same as YAML that reads back to the same value (block style, text in quotes where it could be taken for
/// something else). `value`: an object.
std::string to_yaml(const nlohmann::ordered_json& value);

}  // namespace holdfast
