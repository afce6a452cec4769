#include "checkpoint/engine/answers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace holdfast {

using nlohmann::json;

std::string dump_any(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string failure_answer(const std::string& what) { return dump_any({{"error", what}}); }

std::string failures_in(const std::vector<std::string>& answers) {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> failures;  // and which ranks say so
  for (std::size_t rank = 0; rank < answers.size(); ++rank) {
    // A record is long and may be no JSON; a failure is short and is.
    if (!answers[rank].starts_with("{\"error\":")) continue;
    const std::string error = json::parse(answers[rank])["error"];
    const auto same = std::find_if(failures.begin(), failures.end(), [&](const auto& failure) { return failure.first == error; });
    (same == failures.end() ? failures.emplace_back(error, std::vector<std::size_t>{}) : *same).second.push_back(rank);
  }
  if (failures.size() == 1 && failures[0].second.size() == answers.size()) return failures[0].first;
  std::string text;
  for (const auto& [error, ranks] : failures)
    text += fmt::format("{}rank{} {}: {}", text.empty() ? "" : "; ", ranks.size() == 1 ? "" : "s", fmt::join(ranks, ", "), error);
  return text;
}

}  // namespace holdfast
