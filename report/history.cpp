#include "report/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/run_lock.h"
#include "launch/journal.h"
#include "launch/restart_policy.h"
#include "launch/shim/exit_record.h"

namespace holdfast {

using nlohmann::json;

namespace {

double number(const json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

void each_line(const Path& path, const std::function<void(const json&)>& take) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) try {
      const json parsed = json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (parsed.is_object()) take(parsed);
    } catch (const json::exception&) {
      continue;  // a line of another form
    }
}

std::string state_of(const std::vector<json>& journal, const RunLayout& layout, FileSystem& files) {
  if (RunLock::is_held(layout.lock())) return "runs";
  if (journal.empty()) return files.kind(layout.done()) == FileKind::file ? "finished" : "ended without a word";
  std::string state = "ended without a word";
  for (const json& line : journal) {
    const std::string event = line.value("event", "");
    if (event == "done") state = "finished";
    if (event == "stopped") state = "stopped";
    if (event == "gave_up") state = "gave up";
    if (event == "run_started") state = "ended without a word";
  }
  return state;
}

class Failures {
 public:
  void take(const json& line) {
    const std::string event = line.value("event", "");
    if (event == "rank_lost" || event == "hang" || event == "host_lost") {
      if (injected_.empty() && line.contains("injected") && line["injected"].is_string()) injected_ = line["injected"].get<std::string>();
      if (noticed_at_ == 0) noticed_at_ = line.value("unix_seconds", 0.0);
    }
    if (event == "attempt_started") forget();  // a supervisor that was killed has not said how the attempt before ended
    if (event == "attempt_ended") end_attempt(line);
    if (event == "resumed" && !all_.empty() && !all_.back().seconds_to_resume && is_waiting_)
      all_.back().seconds_to_resume = line.value("unix_seconds", 0.0) - all_.back().unix_seconds;
    if (event == "resumed" || event == "run_started") is_waiting_ = false;
  }
  std::vector<Failure> take_all() { return std::move(all_); }

 private:
  void end_attempt(const json& line) {
    const json cause = line.value("cause", json());
    const std::string reason = line.value("reason", ""), decision = line.value("decision", "");
    // A stop that was asked for, or planned, is none unless a rank failed meanwhile.
    const bool is_failure = decision == name_of(RestartDecision::Kind::restart) || decision == name_of(RestartDecision::Kind::give_up) ||
                            (decision == name_of(RestartDecision::Kind::stopped) && !cause.is_null());
    if (is_failure)
      all_.push_back({.attempt = line.value("attempt", 0),
                      .unix_seconds = noticed_at_ > 0 ? noticed_at_ : line.value("unix_seconds", 0.0),
                      .reason = cause.is_null() ? reason : describe(exit_record_from_json(cause)),
                      .cause = cause,
                      .injected = injected_,
                      .recomputed_steps = line.value("recomputed_steps", std::int64_t{0}),
                      .seconds_to_resume = {}});
    is_waiting_ = is_failure;
    forget();
  }

  void forget() {
    injected_.clear();
    noticed_at_ = 0;
  }

  std::vector<Failure> all_;
  std::string injected_;
  double noticed_at_ = 0;
  bool is_waiting_ = false;
};

void read_metrics(const Path& path, RunHistory& history) {
  each_line(path, [&](const json& line) {
    const std::string kind = line.value("kind", "");
    const std::int64_t step = line.value("step", std::int64_t{0});
    const auto clock = line.find("wall_clock");
    if (kind != "train" || clock == line.end()) return;
    history.training.push_back({step, number(*clock, "unix_seconds"), number(line, "loss"), number(*clock, "steps_per_second"),
                                number(*clock, "samples_per_second")});
  });
  std::erase_if(history.training, [](const TrainPoint& point) { return !std::isfinite(point.unix_seconds); });
}

void read_saves(const Path& path, RunHistory& history) {
  each_line(path, [&](const json& line) {
    history.saves.push_back({.step = line.value("step", std::int64_t{0}),
                             .unix_seconds = line.value("unix_seconds", 0.0),
                             .seconds = line.value("seconds", 0.0),
                             .bytes = line.value("bytes", 0.0),
                             .is_durable = line.value("is_durable", true),
                             .is_resumable = line.value("is_resumable", true)});
  });
}

/// The journal does not know the end of an attempt whose supervisor was killed; the next start says that there was none.
void add_lost_supervisors(RunHistory& history) {
  for (const AttemptAccount& attempt : history.account.attempts)
    if (!attempt.has_ended && attempt.start < history.account.attempts.back().start)
      history.failures.push_back({.attempt = attempt.attempt,
                                  .unix_seconds = attempt.end,
                                  .reason = attempt.reason,
                                  .cause = json(),
                                  .injected = {},
                                  .recomputed_steps = attempt.recomputed_steps,
                                  .seconds_to_resume = {}});
  std::stable_sort(history.failures.begin(), history.failures.end(),
                   [](const Failure& a, const Failure& b) { return a.attempt < b.attempt; });
}

}  // namespace

std::int64_t RunHistory::newest_step() const {
  std::int64_t newest = training.empty() ? 0 : training.back().step;
  for (const AttemptAccount& attempt : account.attempts) newest = std::max(newest, attempt.reached_step);
  for (const Save& save : saves) newest = std::max(newest, save.step);
  return newest;
}

RunHistory read_history(FileSystem& files, const RunLayout& layout) {
  const std::vector<json> journal = Journal::read(layout.journal());
  if (journal.empty() && files.kind(layout.metrics()) == FileKind::none && files.kind(layout.done()) == FileKind::none)
    throw Error(to_string(ErrorText{.attempted = "report on " + layout.root.string(),
                                    .expected = "a run directory, with journal.jsonl or metrics.jsonl",
                                    .found = files.kind(layout.root) == FileKind::none ? "nothing there" : "neither",
                                    .next = "give the directory that `--run-dir` or run.directory named"}),
                kExitData);
  RunHistory history{.root = layout.root, .state = state_of(journal, layout, files), .account = account(journal, [&](int attempt) {
                                                                                       return left_times(files, layout, attempt);
                                                                                     })};
  Failures failures;
  for (const json& line : journal) try {
      failures.take(line);
      if (line.value("event", "").starts_with("straggler")) history.stragglers.push_back(line);
    } catch (const json::exception&) {
      continue;
    }
  history.failures = failures.take_all();
  add_lost_supervisors(history);
  read_metrics(layout.metrics(), history);
  read_saves(layout.saves(), history);
  return history;
}

RunTime::RunTime(const RunHistory& history) {
  std::optional<int> start;
  for (const AttemptAccount& attempt : history.account.attempts) {
    if (std::exchange(start, attempt.start) == attempt.start)  // between two attempts of one start lies a restart
      spans_.back().end = std::max(spans_.back().end, attempt.end);
    else
      spans_.push_back({attempt.begin, attempt.end, 0});
  }
  if (spans_.empty() && !history.training.empty())
    spans_.push_back({history.training.front().unix_seconds, history.training.back().unix_seconds, 0});
  for (Span& span : spans_) {
    span.before = total_;
    total_ += span.end - span.begin;
  }
}

double RunTime::operator()(double unix_seconds) const {
  double at = 0;
  for (const Span& span : spans_)
    if (unix_seconds >= span.begin) at = span.before + std::min(unix_seconds, span.end) - span.begin;
  return at;
}

}  // namespace holdfast
