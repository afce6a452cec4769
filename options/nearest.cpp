#include "options/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace holdfast {
namespace {

char lower(char letter) { return static_cast<char>(std::tolower(static_cast<unsigned char>(letter))); }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = cost[i - 1][j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::optional<std::size_t> nearest(std::string_view word, const std::vector<std::string>& words) {
  constexpr std::size_t kLongestWord = 200;  // nobody misspells a key of this length; the cost is quadratic
  if (word.size() > kLongestWord) return std::nullopt;
  std::optional<std::size_t> best;
  std::size_t best_distance = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t distance = edit_distance(word, words[i]);
    const std::size_t limit = std::max<std::size_t>(1, words[i].size() / 3);
    if (distance > limit || distance >= std::max(word.size(), words[i].size())) continue;
    if (best && distance >= best_distance) continue;
    best = i;
    best_distance = distance;
  }
  return best;
}

ErrorText unknown_word(std::string_view what, std::string_view word, const std::vector<std::string>& words) {
  const std::optional<std::size_t> near = nearest(word, words);
  return {.expected = fmt::format("{} ({})", what, words.empty() ? "there is none" : fmt::format("{}", fmt::join(words, ", "))),
          .found = fmt::format("'{}'", word),
          .cause = near ? fmt::format("did you mean '{}'?", words[*near]) : ""};
}

}  // namespace holdfast
