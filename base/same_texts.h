// Many that say the same, told once: "ranks 0, 2: out of memory". Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

/// Each text once, in the order in which they came, with the numbers of those who say it.
using SameTexts = std::vector<std::pair<std::string, std::vector<int>>>;

/// `number` says `text`.
void add_text(SameTexts& texts, const std::string& text, int number);

/// "rank 1", "ranks 0, 2"; of more than eight those that follow each other as runs: "ranks 0 to 41, 43 to 9999".
std::string numbered(std::string_view noun, const std::vector<int>& numbers);

}  // namespace holdfast
