#include "base/same_texts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast {

void add_text(SameTexts& texts, const std::string& text, int number) {
  const auto same = std::find_if(texts.begin(), texts.end(), [&](const auto& known) { return known.first == text; });
  (same == texts.end() ? texts.emplace_back(text, std::vector<int>{}) : *same).second.push_back(number);
}

namespace {

constexpr std::size_t kFew = 8;  // all of them are told one by one

/// "0, 2 to 9997, 9999": three and more that follow each other as a run.
std::string runs_of(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t first = 0, last = 0; first < numbers.size(); first = last + 1) {
    for (last = first; last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1;) ++last;
    if (last - first < 2) last = first;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", numbers[first]);
    if (last > first) text += fmt::format(" to {}", numbers[last]);
  }
  return text;
}

}  // namespace

std::string numbered(std::string_view noun, const std::vector<int>& numbers) {
  return fmt::format("{}{} {}", noun, numbers.size() == 1 ? "" : "s",
                     numbers.size() <= kFew ? fmt::format("{}", fmt::join(numbers, ", ")) : runs_of(numbers));
}

}  // namespace holdfast
