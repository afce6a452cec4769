// Numbers for which JSON has no word: infinities and NaN are the texts "inf", "-inf" and "nan".
#pragma once

#include <nlohmann/json.hpp>

namespace holdfast {

nlohmann::json number_to_json(double value);
/// Throws nlohmann::json::exception when it is neither a number nor a text.
double number_from_json(const nlohmann::json& stored);

}  // namespace holdfast
