#include "base/same_texts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast {

void add_text(SameTexts& texts, const std::string& text, int number) {
  const auto same = std::find_if(texts.begin(), texts.end(), [&](const auto& known) { return known.first == text; });
  (same == texts.end() ? texts.emplace_back(text, std::vector<int>{}) : *same).second.push_back(number);
}

std::string numbered(std::string_view noun, const std::vector<int>& numbers) {
  return fmt::format("{}{} {}", noun, numbers.size() == 1 ? "" : "s", fmt::join(numbers, ", "));
}

}  // namespace holdfast
