// "Did you mean": a word that is none of a list, and the one of them that it is closest to. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace holdfast {

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string
/// alignment), upper and lower case being the same.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The index of the closest word, if it is close enough to be what was meant: at most a third of its letters differ, at
/// least one may.
std::optional<std::size_t> nearest(std::string_view word, const std::vector<std::string>& words);

/// What to say of a `word` that is none of `words`: "expected WHAT (each of them), found 'word': did you mean …?". What was attempted is
/// for the caller to say.
ErrorText unknown_word(std::string_view what, std::string_view word, const std::vector<std::string>& words);

}  // namespace holdfast
