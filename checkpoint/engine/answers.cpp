#include "checkpoint/engine/answers.h"

#include <fmt/format.h>

#include "base/same_texts.h"

namespace holdfast {

using nlohmann::json;

std::string dump_any(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string failure_answer(const std::string& what) { return dump_any({{"error", what}}); }

std::string failures_in(const std::vector<std::string>& answers) {
  SameTexts failures;
  for (std::size_t rank = 0; rank < answers.size(); ++rank) {
    // A record is long and may be no JSON; a failure is short and is.
    if (answers[rank].starts_with("{\"error\":")) add_text(failures, json::parse(answers[rank])["error"], static_cast<int>(rank));
  }
  if (failures.size() == 1 && failures[0].second.size() == answers.size()) return failures[0].first;
  std::string text;
  for (const auto& [error, ranks] : failures) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", numbered("rank", ranks), error);
  return text;
}

}  // namespace holdfast
