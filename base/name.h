// What may be the name of an entry, of a copy of weights, of an optimizer: a part of a path, and no name that checkpoints/ has for itself.
// Pure.
#pragma once

#include <string_view>

namespace holdfast {

inline constexpr const char *kStepPrefix = "step-", *kWeightsPrefix = "weights-", *kAbandonedPrefix = "abandoned-", *kLastLink = "last";

/// Letters, digits, _ and -.
constexpr bool is_name(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  return !text.empty() && text.find_first_not_of(kAllowed) == text.npos;
}

/// "step-00000100", "last" and the like: states, and what a run makes beside them.
constexpr bool is_reserved_name(std::string_view text) {
  return text.starts_with(kStepPrefix) || text.starts_with(kWeightsPrefix) || text.starts_with(kAbandonedPrefix) || text == kLastLink;
}

}  // namespace holdfast
