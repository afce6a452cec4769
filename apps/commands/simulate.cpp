#include "apps/commands/simulate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>

#include "apps/commands/policy_file.h"
#include "base/error.h"
#include "base/exit_code.h"
#include "base/text_file.h"
#include "checkpoint/policy/simulation.h"

namespace holdfast {
namespace {

using nlohmann::json;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text = rest_of(file);
  if (!file.is_open() || file.bad())
    throw ConfigError(ErrorText{.attempted = "read the trace " + path, .cause = "there is no such file, or it cannot be read"});
  return text;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string disk_text(const json& disk) {
  std::vector<std::string> parts;
  for (const auto& [entry, names] : disk["names"].items())
    for (const auto& [name, state] : names.items()) parts.push_back(fmt::format("{}/{} -> {}", entry, name, state.get<std::string>()));
  return parts.empty() ? "nothing" : fmt::format("{}", fmt::join(parts, ", "));
}

void print_event(const json& event) {
  fmt::print("{:>5}  {:<28}  {:>6}  {:>8}  ", event["line"].get<std::int64_t>(), event["event"].get<std::string>(),
             event["epoch"].get<std::int64_t>(), event["step"].get<std::int64_t>());
  const std::string indent(55, ' ');
  bool is_first = true;
  const auto line = [&](const std::string& text) { fmt::print("{}{}\n", std::exchange(is_first, false) ? "" : indent, text); };
  for (const json& decision : event["decisions"]) {
    const auto names = decision["names"].get<std::vector<std::string>>(), removed = decision["removed"].get<std::vector<std::string>>();
    line(fmt::format("{}: {}{}", decision["entry"].get<std::string>(),
                     names.empty() ? "not saved" : fmt::format("saved as {}", fmt::join(names, ", ")),
                     removed.empty() ? "" : fmt::format("; {} {}", fmt::join(removed, ", "), removed.size() == 1 ? "goes" : "go")));
    line(fmt::format("  {}{}", decision["is_warning"].get<bool>() ? "WARNING: " : "", decision["why"].get<std::string>()));
  }
  for (const json& note : event["notes"]) line(note.get<std::string>());
  line("on disk: " + disk_text(event["disk"]));
}

std::string named_text(const json& named) {
  if (named.is_null()) return "none";
  return named["score"].is_null() ? named["name"].get<std::string>()
                                  : fmt::format("{} ({})", named["name"].get<std::string>(), text_of(named["score"]));
}

}  // namespace

int simulate_command(const std::string& policy, const std::string& trace, bool wants_json) {
  const PolicyFile options = read_policy(policy);
  const json result = simulate(options.checkpoints, options.validation, read_trace(read_file(trace), trace));
  if (wants_json) {
    fmt::print("{}\n", result.dump(2));
    return kExitOk;
  }
  fmt::print("{:>5}  {:<28}  {:>6}  {:>8}  {}\n", "line", "event", "epoch", "step", "decisions, and what is on disk then");
  for (const json& event : result["events"]) print_event(event);
  fmt::print("\n");
  for (const auto& [directory, disk] : result["directories"].items())
    fmt::print("{}: {}\n{}  states {}\n", directory, disk_text(disk), std::string(directory.size(), ' '),
               fmt::join(disk["states"].get<std::vector<std::string>>(), ", "));
  for (const auto& [entry, facts] : result["entries"].items())
    fmt::print("{}: best {}, k-th {}, last {}\n", entry, named_text(facts["best"]), named_text(facts["kth"]), named_text(facts["last"]));
  return kExitOk;
}

}  // namespace holdfast
