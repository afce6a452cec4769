#include "report/page_parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/chart.h"
#include "report/figures.h"
#include "report/text.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostFailures = 200, kMostSaves = 20, kMostRanks = 10;

std::string cell(const std::string& text, const char* kind = "") { return fmt::format("<td{}>{}</td>", kind, escaped(text)); }
std::string number_cell(const std::string& text) { return cell(text, " class=\"number\""); }

std::string failure_html(const Failure& failure) {
  std::string html = fmt::format("<details><summary><b>attempt {}</b> {} UTC: {}</summary>", failure.attempt,
                                 moment_figure(failure.unix_seconds), escaped(failure.reason.substr(0, failure.reason.find('\n'))));
  html +=
      fmt::format("<p>{} steps to compute again; {}.{}</p>", failure.recomputed_steps,
                  failure.seconds_to_resume ? "resumed after " + duration_figure(*failure.seconds_to_resume) : "not resumed by that start",
                  failure.injected.empty() ? "" : " Injected: <code>" + escaped(failure.injected) + "</code>.");
  if (failure.reason.find('\n') != std::string::npos) html += "<pre>" + escaped(failure.reason) + "</pre>";
  if (!failure.cause.is_object()) return html + "</details>";
  std::string rows;
  for (const auto& [name, value] : failure.cause.items())
    if (name != "last_lines")
      rows += fmt::format("<tr><th>{}</th>{}</tr>", escaped(name), cell(value.is_string() ? value.get<std::string>() : value.dump()));
  html += "<table class=\"facts\">" + rows + "</table>";
  std::string lines;
  for (const std::string& line : failure.cause.value("last_lines", std::vector<std::string>{})) lines += escaped(line) + "\n";
  if (!lines.empty()) html += "<pre>" + lines + "</pre>";
  return html + "</details>";
}

}  // namespace

std::string color_of(RunCause cause) { return "cause-" + key_of(cause); }

std::string causes_table(const Account& account) {
  std::string rows;
  const auto row = [&](const std::string& swatch, std::string_view name, double seconds) {
    rows += fmt::format("<tr><td>{}{}</td>{}{}</tr>", swatch, name, number_cell(duration_figure(seconds)),
                        number_cell(fmt::format("{:.1f}%", account.wall_seconds > 0 ? 100 * seconds / account.wall_seconds : 0.0)));
  };
  for (std::size_t i = 0; i < kRunCauses; ++i) {
    const auto cause = static_cast<RunCause>(i);
    row(fmt::format(R"(<svg class="swatch" viewBox="0 0 12 12"><rect class="{}" width="12" height="12"/></svg>)", color_of(cause)),
        title_of(cause), account[cause]);
  }
  row("", "all of these", account.accounted_seconds());
  row("", "wall time", account.wall_seconds);
  return "<table><tr><th>cause</th><th class=\"number\">time</th><th class=\"number\">of wall time</th></tr>" + rows + "</table>";
}

std::string failures_list(const RunHistory& history) {
  if (history.failures.empty()) return "<p>None.</p>";
  std::string html;
  const std::size_t first = history.failures.size() > kMostFailures ? history.failures.size() - kMostFailures : 0;
  if (first > 0) html += fmt::format("<p>The newest {} of {}.</p>", kMostFailures, history.failures.size());
  for (std::size_t i = first; i < history.failures.size(); ++i) html += failure_html(history.failures[i]);
  return html;
}

std::string stragglers_list(const RunHistory& history) {
  std::string items;
  for (const nlohmann::json& line : history.stragglers)
    items += fmt::format("<li>attempt {}, step {}: rank {} on {} {} ({:.2f} times the median of the others)</li>", line.value("attempt", 0),
                         line.value("step", std::int64_t{0}), line.value("rank", -1), escaped(line.value("host", "")),
                         line.value("event", "") == "straggler" ? "is slow" : "is no longer slow", line.value("factor", 0.0));
  return items.empty() ? "" : "<ul>" + items + "</ul>";
}

std::string saves_table(const RunHistory& history) {
  const std::vector<Save>& saves = history.saves;
  if (saves.empty()) return "<p>None was saved.</p>";
  std::string rows;
  const std::size_t first = saves.size() > kMostSaves ? saves.size() - kMostSaves : 0;
  for (std::size_t i = first; i < saves.size(); ++i)
    rows += fmt::format("<tr>{}{}{}{}{}</tr>", number_cell(std::to_string(saves[i].step)), number_cell(bytes_figure(saves[i].bytes)),
                        number_cell(duration_figure(saves[i].seconds)), cell(moment_figure(saves[i].unix_seconds)),
                        cell(!saves[i].is_durable    ? "failed"
                             : saves[i].is_resumable ? ""
                                                     : "weights alone"));
  return fmt::format("<p>{} of {} saves, the newest:</p>", saves.size() - first, saves.size()) +
         "<table><tr><th class=\"number\">step</th><th class=\"number\">size</th><th class=\"number\">took</th><th>durable at "
         "(UTC)</th><th></th></tr>" +
         rows + "</table>";
}

std::string ranks_table(const Account& account) {
  const std::vector<RankAccount> ranks = slowest_first(account.ranks);
  if (ranks.empty()) return "";
  const double median = median_seconds_per_step(ranks);
  std::string rows;
  for (std::size_t i = 0; i < std::min(kMostRanks, ranks.size()); ++i)
    rows += fmt::format("<tr>{}{}{}{}{}</tr>", number_cell(std::to_string(ranks[i].rank)), cell(ranks[i].host),
                        number_cell(duration_figure(ranks[i].seconds_per_step())),
                        number_cell(fmt::format("{:.2f}", median > 0 ? ranks[i].seconds_per_step() / median : 1.0)),
                        number_cell(duration_figure(ranks[i].waiting_per_step())));
  return "<table><tr><th class=\"number\">rank</th><th>host</th><th class=\"number\">own time a step</th><th class=\"number\">of the "
         "median</th><th "
         "class=\"number\">waits a step</th></tr>" +
         rows + "</table>";
}

}  // namespace holdfast
