// The words for what a field accepts, shared by the reader's messages and the reference in docs/. Pure.
#pragma once

#include <string>

#include "options/field.h"

namespace holdfast {

enum class FieldType { boolean, integer, number, text, integers, numbers, texts, section, list, map };

/// "1 or more", "more than 0, at most 1"; empty without a bound.
std::string range_text(const Field& field);

/// "an integer", "a list of numbers", "one of fast, run".
std::string type_text(FieldType type, const Field& field);

/// "an integer (updates, 1 or more)".
std::string expectation(FieldType type, const Field& field);

bool is_in_range(const Field& field, double value);

}  // namespace holdfast
