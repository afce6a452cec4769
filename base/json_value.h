// Numbers and lists in JSON, taken strictly. For infinities and NaN it has no word: they are the texts "inf", "-inf" and "nan". And
// nlohmann's get<int>() would make a number of 1.5, of true and of 2^32, and a loop over null or over an object would pass for one over a
// list, where a manifest that says so is damaged.
#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

namespace holdfast {

nlohmann::json number_to_json(double value);
/// Throws std::invalid_argument when it is neither a number nor one of those texts.
double number_from_json(const nlohmann::json& stored);

/// Throws std::invalid_argument unless it is a whole number that Integer can hold.
template <std::integral Integer>
Integer integer_from_json(const nlohmann::json& stored) {
  if (stored.is_number_unsigned()) {
    if (const auto value = stored.get<std::uint64_t>(); std::in_range<Integer>(value)) return static_cast<Integer>(value);
  } else if (stored.is_number_integer()) {
    if (const auto value = stored.get<std::int64_t>(); std::in_range<Integer>(value)) return static_cast<Integer>(value);
  }
  throw std::invalid_argument("expected a whole number, found " + stored.dump());
}

/// `stored` itself. Throws std::invalid_argument unless it is a list.
const nlohmann::json& list_from_json(const nlohmann::json& stored);

}  // namespace holdfast
