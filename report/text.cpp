#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "report/figures.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostSaves = 10, kMostRanks = 5, kMostFailures = 20, kMostLines = 5;

std::string plural(std::size_t count, const char* one, const char* many) { return fmt::format("{} {}", count, count == 1 ? one : many); }

std::string causes_text(const Account& account) {
  std::string text = fmt::format("{:<20}{:>12}{:>9}\n", "where the time went", "seconds", "percent");
  const auto line = [&](std::string_view name, double seconds) {
    text +=
        fmt::format("  {:<18}{:>12.2f}{:>9.1f}\n", name, seconds, account.wall_seconds > 0 ? 100 * seconds / account.wall_seconds : 0.0);
  };
  for (std::size_t i = 0; i < kRunCauses; ++i) line(title_of(static_cast<RunCause>(i)), account.seconds[i]);
  line("all of these", account.accounted_seconds());
  line("wall time", account.wall_seconds);
  return text;
}

std::string failure_text(const Failure& failure) {
  std::string text =
      fmt::format("  attempt {}, {} UTC: {}\n", failure.attempt, moment_figure(failure.unix_seconds), printable(failure.reason));
  if (!failure.injected.empty()) text += fmt::format("    injected: {}\n", printable(failure.injected));
  text += fmt::format("    {} to compute again{}\n", plural(static_cast<std::size_t>(failure.recomputed_steps), "step", "steps"),
                      failure.seconds_to_resume ? fmt::format("; resumed after {}", duration_figure(*failure.seconds_to_resume))
                                                : "; not resumed by that start");
  if (!failure.cause.is_object()) return text;
  const auto lines = failure.cause.value("last_lines", std::vector<std::string>{});
  for (std::size_t i = lines.size() > kMostLines ? lines.size() - kMostLines : 0; i < lines.size(); ++i)
    text += "    | " + printable(lines[i]) + "\n";
  return text;
}

std::string failures_text(const RunHistory& history) {
  if (history.failures.empty()) return "failures: none\n";
  std::string text = fmt::format("failures: {}\n", history.failures.size());
  const std::size_t first = history.failures.size() > kMostFailures ? history.failures.size() - kMostFailures : 0;
  if (first > 0) text += fmt::format("  the newest {}; --json has all\n", kMostFailures);
  for (std::size_t i = first; i < history.failures.size(); ++i) text += failure_text(history.failures[i]);
  return text;
}

std::string saves_text(const std::vector<Save>& saves) {
  if (saves.empty()) return "checkpoints: none was saved\n";
  std::string text = fmt::format("checkpoints: {}\n", plural(saves.size(), "save", "saves"));
  if (saves.size() > kMostSaves) text += fmt::format("  the newest {}; --json has all\n", kMostSaves);
  text += fmt::format("  {:>10}  {:>10}  {:>10}\n", "step", "size", "took");
  for (std::size_t i = saves.size() > kMostSaves ? saves.size() - kMostSaves : 0; i < saves.size(); ++i)
    text += fmt::format("  {:>10}  {:>10}  {:>10}{}\n", saves[i].step, bytes_figure(saves[i].bytes), duration_figure(saves[i].seconds),
                        !saves[i].is_durable    ? "  failed"
                        : saves[i].is_resumable ? ""
                                                : "  weights alone");
  return text;
}

std::string ranks_text(const RunHistory& history) {
  const std::vector<RankAccount> ranks = slowest_first(history.account.ranks);
  if (ranks.empty()) return {};
  const double median = median_seconds_per_step(ranks);
  std::string text = ranks.size() > kMostRanks ? fmt::format("the slowest of {} ranks\n", ranks.size()) : "ranks, the slowest first\n";
  text += fmt::format("  {:>6}  {:<20}  {:>14}  {:>10}  {:>12}\n", "rank", "host", "own time/step", "of median", "waits/step");
  for (std::size_t i = 0; i < std::min(kMostRanks, ranks.size()); ++i) {
    text += fmt::format("  {:>6}  {:<20}  {:>14}  {:>10.2f}  {:>12}\n", ranks[i].rank, printable(ranks[i].host),
                        duration_figure(ranks[i].seconds_per_step()), median > 0 ? ranks[i].seconds_per_step() / median : 1.0,
                        duration_figure(ranks[i].waiting_per_step()));
  }
  return text;
}

std::string stragglers_text(const RunHistory& history) {
  std::string text;
  for (const nlohmann::json& line : history.stragglers)
    if (line.value("event", "") == "straggler")
      text += fmt::format("  attempt {}, step {}: rank {} on {} took {:.2f} times as long as the others\n", line.value("attempt", 0),
                          line.value("step", std::int64_t{0}), line.value("rank", -1), printable(line.value("host", "")),
                          line.value("factor", 0.0));
  return text.empty() ? text : "stragglers\n" + text;
}

}  // namespace

std::vector<RankAccount> slowest_first(const std::vector<RankAccount>& ranks) {
  std::vector<RankAccount> sorted = ranks;
  std::erase_if(sorted, [](const RankAccount& rank) { return rank.steps == 0; });
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.seconds_per_step() > b.seconds_per_step(); });
  return sorted;
}

double median_seconds_per_step(const std::vector<RankAccount>& ranks) {
  const std::vector<RankAccount> sorted = slowest_first(ranks);
  if (sorted.empty()) return 0;
  const std::size_t middle = sorted.size() / 2;
  if (sorted.size() % 2 == 1) return sorted[middle].seconds_per_step();
  return (sorted[middle - 1].seconds_per_step() + sorted[middle].seconds_per_step()) / 2;
}

std::string headline(const RunHistory& history) {
  const std::size_t attempts = history.account.attempts.size();
  return fmt::format("{}: {}{}, step {}", history.root.string(), history.state,
                     attempts > 0 ? ", " + plural(attempts, "attempt", "attempts") : std::string(", without the supervisor"),
                     history.newest_step());
}

std::string report_text(const RunHistory& history) {
  std::string text = headline(history) + "\n";
  const std::string goodput = goodput_line(history.account);
  text += goodput.empty() ? "goodput: no rank has left its times\n" : goodput + "\n\n" + causes_text(history.account);
  for (const std::string& part : {failures_text(history), saves_text(history.saves), ranks_text(history), stragglers_text(history)})
    if (!part.empty()) text += "\n" + part;
  return text;
}

}  // namespace holdfast
