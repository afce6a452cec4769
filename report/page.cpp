#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/chart.h"
#include "report/figures.h"
#include "report/page_parts.h"
#include "report/text.h"

namespace holdfast {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --page: #ffffff; --ink: #1c2024; --soft: #5b636b; --line: #e3e6e9; --panel: #f6f7f8; --curve: #1f6fd6; --mark: #d2443a;
  --useful: #2f9e58; --startup: #8d99a6; --restore: #4aa3df; --recomputed: #d2443a; --data: #e0a526; --collectives: #7a5fd0; --checkpoint: #17a2a2;
  --validation: #a3b93a; --hang: #e0569a; --restart: #ef7d33; --finish: #c2b8a8; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e6e9ec; --soft: #a0a9b2; --line: #2d3339; --panel: #1c2126; --curve: #6aa9ff;
  --mark: #ff7a6e; --useful: #43b871; --startup: #77828e; --restore: #5cb4ee; --recomputed: #ea6a60; --data: #e8b64a; --collectives: #9a84e8;
  --checkpoint: #2fbcbc; --validation: #b7cc55; --hang: #ee78b0; --restart: #f5975a; --finish: #9b9184; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 940px; padding: 24px 20px 64px; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 17px; margin: 36px 0 8px; } p { margin: 6px 0; color: var(--soft); }
.headline { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; } .headline div { background: var(--panel); border-radius: 8px; padding: 10px 16px; }
.headline b { display: block; font-size: 20px; color: var(--ink); } .headline span { color: var(--soft); font-size: 13px; }
svg { display: block; width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.grid { stroke: var(--line); } .curve { fill: none; stroke: var(--curve); stroke-width: 1.6; } .dot { fill: var(--curve); fill-opacity: 0.8; }
.mark { stroke: var(--mark); stroke-width: 1.4; stroke-dasharray: 5 4; } .bar { fill: var(--curve); } .bar.rest { fill-opacity: 0.3; }
.bar.marked { fill: var(--mark); }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 8px; vertical-align: -1px; }
table { border-collapse: collapse; margin: 10px 0; font-size: 14px; } th, td { padding: 4px 14px 4px 0; text-align: left; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.facts td { overflow-wrap: anywhere; } details { border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; margin: 8px 0; }
summary { cursor: pointer; overflow-wrap: anywhere; } pre { background: var(--panel); border-radius: 6px; padding: 8px 10px; overflow-x: auto; font-size: 12.5px; }
li { color: var(--soft); } .key { color: var(--mark); }
)";

std::string tile(const std::string& figure, const std::string& name) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>", escaped(figure), escaped(name));
}

std::string tiles(const RunHistory& history) {
  const Account& account = history.account;
  std::string html = tile(history.state, "state") + tile(fmt::format("{:.1f}%", 100 * account.goodput()), "goodput") +
                     tile(duration_figure(account.wall_seconds), "wall time") + tile(std::to_string(history.newest_step()), "newest step") +
                     tile(std::to_string(account.ranks.size()), "ranks");
  if (account.is_supervised)
    html += tile(std::to_string(account.attempts.size()), "attempts") + tile(std::to_string(history.failures.size()), "failures");
  return "<div class=\"headline\">" + html + "</div>";
}

/// Where attempts began that were not the first.
std::vector<Mark> restarts(const RunHistory& history, const RunTime& time) {
  std::vector<Mark> marks;
  for (std::size_t i = 1; i < history.account.attempts.size(); ++i) {
    const AttemptAccount& attempt = history.account.attempts[i];
    marks.push_back({time(attempt.begin), fmt::format("attempt {} starts, {} UTC", attempt.attempt, moment_figure(attempt.begin))});
  }
  return marks;
}

std::string curve_over_time(const RunHistory& history, const RunTime& time, const char* label, double TrainPoint::*value,
                            bool begins_at_zero) {
  TimeChart chart{
      .label = label, .marks = restarts(history, time), .seconds = time.total(), .figure = number_figure, .begins_at_zero = begins_at_zero};
  for (const TrainPoint& point : history.training) chart.points.push_back({time(point.unix_seconds), point.*value});
  return time_chart(chart);
}

std::string saves_over_time(const RunHistory& history, const RunTime& time, TimeChart chart, double Save::*value, double unit) {
  chart.seconds = time.total();
  chart.is_curve = false;
  chart.begins_at_zero = true;
  for (const Save& save : history.saves)
    if (save.is_durable) chart.points.push_back({time(save.unix_seconds), save.*value / unit});
  return time_chart(chart);
}

/// In the unit of the largest, so that the axis has round numbers of it.
std::string sizes_over_time(const RunHistory& history, const RunTime& time) {
  double largest = 0, unit = 1;
  for (const Save& save : history.saves) largest = std::max(largest, save.bytes);
  while (largest / unit >= 1024) unit *= 1024;
  const auto figure = [unit](double value) {
    const std::string one = bytes_figure(unit);  // "1 GiB"
    return number_figure(value) + one.substr(one.find(' '));
  };
  return saves_over_time(history, time, {.label = "size of saves", .figure = figure}, &Save::bytes, unit);
}

std::string causes_bar(const Account& account) {
  std::vector<Share> shares;
  for (std::size_t i = 0; i < kRunCauses; ++i) {
    const auto cause = static_cast<RunCause>(i);
    shares.push_back({fmt::format("{}: {}", title_of(cause), duration_figure(account[cause])), color_of(cause), account[cause]});
  }
  return share_bar("wall time by cause", shares);
}

std::string ranks_chart(const Account& account) {
  constexpr double kSlow = 1.4;
  const double median = median_seconds_per_step(account.ranks);
  std::vector<Bar> bars;
  for (const RankAccount& rank : account.ranks)
    bars.push_back({.label = std::to_string(rank.rank),
                    .title = fmt::format("rank {} on {}: {} of its own a step, {} in collectives", rank.rank, rank.host,
                                         duration_figure(rank.seconds_per_step()), duration_figure(rank.waiting_per_step())),
                    .value = rank.seconds_per_step(),
                    .rest = rank.waiting_per_step(),
                    .is_marked = account.ranks.size() > 1 && rank.seconds_per_step() >= kSlow * median});
  return bar_chart("time a step by rank", bars, duration_figure);
}

std::string cause_colors() {
  std::string css;
  constexpr std::array kNames = {"useful",     "startup",    "restore", "recomputed", "data",  "collectives",
                                 "checkpoint", "validation", "hang",    "restart",    "finish"};
  static_assert(kNames.size() == kRunCauses);
  for (std::size_t i = 0; i < kRunCauses; ++i)
    css += fmt::format(".{} {{ fill: var(--{}); }}\n", color_of(static_cast<RunCause>(i)), kNames[i]);
  return css;
}

}  // namespace

std::string report_page(const RunHistory& history) {
  const RunTime time(history);
  std::string name = history.root.filename().string();
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{} - "
      "holdfast "
      "report</title><style>{}{}</style></head><body>\n",
      escaped(name), kStyle, cause_colors());
  html += fmt::format("<h1>{}</h1><p>{}</p>\n", escaped(name), escaped(history.root.string())) + tiles(history);
  const bool has_restarts = history.account.attempts.size() > 1;
  html += "<h2>Where the wall time went</h2>" + causes_bar(history.account) + causes_table(history.account);
  html += "<h2>Loss</h2>" + std::string(has_restarts ? "<p>Dashed lines: restarts.</p>" : "") +
          curve_over_time(history, time, "loss over time", &TrainPoint::loss, false);
  html += "<h2>Samples a second</h2>" + curve_over_time(history, time, "samples a second over time", &TrainPoint::samples_per_second, true);
  html +=
      "<h2>Time a step by rank</h2><p>Full: its own part; pale: in collectives, where all wait for the slowest."
      " <span class=\"key\">Red</span>: 1.4 times the median or more.</p>" +
      ranks_chart(history.account) + ranks_table(history.account) + stragglers_list(history);
  html += "<h2>Checkpoints: how long a save took</h2>" +
          saves_over_time(history, time, {.label = "duration of saves", .figure = duration_figure}, &Save::seconds, 1);
  html += "<h2>Checkpoints: size</h2>" + sizes_over_time(history, time) + saves_table(history);
  html += "<h2>Failures</h2>" + failures_list(history);
  return html + "\n</body></html>\n";
}

}  // namespace holdfast
