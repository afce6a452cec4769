#include "checkpoint/engine/answers.h"

#include <fmt/format.h>

namespace holdfast {

using nlohmann::json;

std::string dump_any(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string failure_answer(const std::string& what) { return dump_any({{"error", what}}); }

std::string failures_in(const std::vector<std::string>& answers) {
  std::string text;
  for (std::size_t rank = 0; rank < answers.size(); ++rank) {
    // A record is long and may be no JSON; a failure is short and is.
    if (!answers[rank].starts_with("{\"error\":")) continue;
    const json answer = json::parse(answers[rank]);
    text += fmt::format("{}rank {}: {}", text.empty() ? "" : "; ", rank, answer["error"].get<std::string>());
  }
  return text;
}

}  // namespace holdfast
