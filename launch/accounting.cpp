#include "launch/accounting.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "launch/restart_policy.h"

namespace holdfast {

using nlohmann::json;

namespace {

constexpr std::array<std::string_view, kRunCauses> kTitles = {
    "useful steps",     "start-up",   "restore",   "recomputed steps", "data wait", "collectives wait",
    "checkpoint stall", "validation", "hang wait", "restart",          "finish"};

RunCause run_cause(TimeCause cause) {
  switch (cause) {
    case TimeCause::startup: return RunCause::startup;
    case TimeCause::restore: return RunCause::restore;
    case TimeCause::steps: return RunCause::useful;
    case TimeCause::data: return RunCause::data;
    case TimeCause::collectives: return RunCause::collectives;
    case TimeCause::checkpoint: return RunCause::checkpoint;
    case TimeCause::validation: return RunCause::validation;
    case TimeCause::finish: return RunCause::finish;
    case TimeCause::recomputed_steps:
    case TimeCause::recomputed_data:
    case TimeCause::recomputed_collectives: return RunCause::recomputed;
  }
  return RunCause::finish;
}

double& at(Seconds& seconds, RunCause cause) { return seconds[static_cast<std::size_t>(cause)]; }

/// One rank's part of an attempt.
struct RankPart {
  int rank = 0;
  std::string host;
  double launch_seconds = 0, after_seconds = 0;
  TimeRecord times;
};

/// Adds up the attempts of the starts of a run.
class Adding {
 public:
  explicit Adding(const LeftTimes& left) : left_(left) {}

  void take(const json& line) {
    const std::string event = line.value("event", "");
    const double now = line.value("unix_seconds", 0.0);
    if (event == "run_started") begin_run(now);
    if (event == "attempt_started") begin_attempt(line, now);
    if (event == "resumed" && is_in_attempt_) resume(line.value("step", std::int64_t{-1}));
    if (event == "hang") has_hung_ = true;
    if (event == "attempt_ended" && is_in_attempt_) end_attempt(line, now);
    if (event == "done" || event == "stopped" || event == "gave_up") end_run(now);
    newest_ = std::max(newest_, now);
  }

  Account result() {
    if (is_in_run_) break_off();
    for (auto& [rank, one] : ranks_) account_.ranks.push_back(std::move(one));
    return std::move(account_);
  }

  /// Of ranks that no supervisor watched.
  void take_unsupervised(const std::vector<TimesFile>& files) {
    for (const TimesFile& file : files) {
      add({.rank = file.rank, .host = file.host, .times = file.times}, 0, RunCause::finish, files.size());
      account_.wall_seconds = std::max(account_.wall_seconds, file.times.age_seconds);
    }
  }

 private:
  AttemptAccount& attempt() { return account_.attempts.back(); }

  void begin_run(double now) {
    if (is_in_attempt_) attempt().reason = "its supervisor was killed, or its host went down";
    if (is_in_run_) break_off();
    account_.is_supervised = is_in_run_ = true;
    ++starts_;
    run_began_at_ = mark_ = now;
    is_restart_ = false;
  }

  /// What all ranks spend alike, between two moments of the journal.
  void add_gap(double until, RunCause cause) {
    const double gap = std::max(0.0, until - mark_);
    at(account_.seconds, cause) += gap;
    for (auto& [rank, one] : ranks_) at(one.seconds, cause) += gap;
    gap_before_[cause] += gap;
    mark_ = until;
  }

  void begin_attempt(const json& line, double now) {
    add_gap(now, is_restart_ ? RunCause::restart : RunCause::startup);
    is_in_attempt_ = is_restart_ = true;
    has_hung_ = false;
    account_.attempts.push_back({.attempt = line.value("attempt", 0), .start = starts_, .begin = now, .end = now});
    world_size_ = line.value("world_size", 1);
  }

  void resume(std::int64_t step) {
    attempt().from_step = step;
    if (account_.attempts.size() < 2) return;
    AttemptAccount& before = *(account_.attempts.end() - 2);
    if (!before.has_ended) before.recomputed_steps = std::max<std::int64_t>(0, before.reached_step - std::max<std::int64_t>(0, step));
  }

  void end_attempt(const json& line, double now) {
    attempt().has_ended = true;
    attempt().is_done = line.value("is_done", false);
    attempt().reached_step = line.value("reached_step", std::int64_t{0});
    attempt().recomputed_steps = line.value("recomputed_steps", std::int64_t{0});
    attempt().reason = line.value("reason", "");
    std::vector<RankPart> parts;
    for (const json& one : line.value("times", json::array()))
      if (const auto times = time_record_from_json(one.value("times", json())))
        parts.push_back(
            {one.value("rank", 0), one.value("host", ""), one.value("launch_seconds", 0.0), one.value("after_seconds", 0.0), *times});
    add_attempt(parts, now, line.value("decision", "") == name_of(RestartDecision::Kind::restart) ? RunCause::restart : RunCause::finish);
  }

  void add_attempt(const std::vector<RankPart>& parts, double now, RunCause after) {
    is_in_attempt_ = false;
    attempt().end = now;
    std::set<int> silent;
    for (int rank = 0; rank < world_size_; ++rank) silent.insert(rank);
    const auto world = static_cast<std::size_t>(std::max(world_size_, 1));
    for (const RankPart& part : parts) {
      silent.erase(part.rank);
      add(part, std::max<std::int64_t>(attempt().from_step, 0), after, world);
    }
    for (const int rank : silent)  // they have not come to their beginning
      add({.rank = rank, .launch_seconds = now - attempt().begin}, 0, after, world);
    mark_ = now;
  }

  void add(const RankPart& part, std::int64_t from_step, RunCause after, std::size_t world_size) {
    Seconds seconds{};
    at(seconds, RunCause::startup) += part.launch_seconds;
    for (std::size_t i = 0; i < kTimeCauses; ++i) at(seconds, run_cause(static_cast<TimeCause>(i))) += part.times.seconds[i];
    if (has_hung_) {  // the interval that did not end
      at(seconds, run_cause(part.times.open_cause)) -= part.times.open_seconds;
      at(seconds, RunCause::hang) += part.times.open_seconds;
    }
    at(seconds, after) += part.after_seconds;
    RankAccount& rank = ranks_.try_emplace(part.rank, RankAccount{.rank = part.rank, .seconds = before_this_rank()}).first->second;
    if (!part.host.empty()) rank.host = part.host;
    for (std::size_t i = 0; i < kRunCauses; ++i) {
      rank.seconds[i] += seconds[i];
      account_.seconds[i] += seconds[i] / static_cast<double>(world_size);
    }
    rank.busy_seconds += part.times.busy_seconds;
    rank.waiting_seconds += part.times[TimeCause::collectives] + part.times[TimeCause::recomputed_collectives];
    rank.steps += std::max<std::int64_t>(0, part.times.completed_step - from_step);
  }

  Seconds before_this_rank() const {
    Seconds seconds{};
    for (const auto& [cause, gap] : gap_before_) at(seconds, cause) += gap;
    return seconds;
  }

  void end_run(double now) {
    if (is_in_attempt_) break_off();
    add_gap(now, RunCause::finish);
    account_.wall_seconds += now - run_began_at_;
    is_in_run_ = false;
  }

  /// The supervisor runs still, or was killed: what the ranks left is all that there is.
  void break_off() {
    double end = newest_;
    if (is_in_attempt_) {
      std::vector<RankPart> parts;
      double sum = 0;
      for (const TimesFile& file : left_(attempt().attempt)) {
        const double began_at = file.unix_seconds - file.times.age_seconds;
        parts.push_back(
            {.rank = file.rank, .host = file.host, .launch_seconds = std::max(0.0, began_at - attempt().begin), .times = file.times});
        attempt().reached_step = std::max(attempt().reached_step, file.times.completed_step);
        sum += file.unix_seconds;
      }
      if (!parts.empty()) end = std::max(attempt().begin, sum / static_cast<double>(parts.size()));
      add_attempt(parts, end, RunCause::finish);
    } else {
      add_gap(end, RunCause::restart);
    }
    account_.wall_seconds += std::max(0.0, end - run_began_at_);
    is_in_run_ = false;
  }

  const LeftTimes& left_;
  Account account_;
  std::map<int, RankAccount> ranks_;
  std::map<RunCause, double> gap_before_;  // what all ranks have spent alike by now
  bool is_in_run_ = false, is_in_attempt_ = false, is_restart_ = false, has_hung_ = false;
  double run_began_at_ = 0, mark_ = 0, newest_ = 0;
  int world_size_ = 1, starts_ = 0;
};

}  // namespace

std::string_view title_of(RunCause cause) { return kTitles.at(static_cast<std::size_t>(cause)); }

std::string key_of(RunCause cause) {
  std::string key(title_of(cause));
  std::replace_if(
      key.begin(), key.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  return key;
}

double Account::accounted_seconds() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

double Account::goodput() const { return wall_seconds > 0 ? (*this)[RunCause::useful] / wall_seconds : 0; }

std::vector<TimesFile> left_times(FileSystem& files, const RunLayout& layout, int attempt) {
  std::vector<TimesFile> found;
  for (const std::string& name : files.list(layout.attempt_logs(attempt)))
    if (name.ends_with(".times.json"))
      if (auto file = read_times_file(layout.attempt_logs(attempt) / name)) found.push_back(std::move(*file));
  std::sort(found.begin(), found.end(), [](const TimesFile& a, const TimesFile& b) { return a.rank < b.rank; });
  return found;
}

Account account(const std::vector<json>& journal, const LeftTimes& left) {
  Adding adding(left);
  if (journal.empty()) adding.take_unsupervised(left(1));
  for (const json& line : journal) try {
      adding.take(line);
    } catch (const json::exception&) {
      continue;  // a line of another form
    }
  return adding.result();
}

std::vector<json> newest_start(const std::vector<json>& journal) {
  const auto begins = [](const json& line) { return line.value("event", "") == "run_started"; };
  const auto newest = std::find_if(journal.rbegin(), journal.rend(), begins);
  return newest == journal.rend() ? std::vector<json>{} : std::vector<json>(newest.base() - 1, journal.end());
}

std::int64_t reached_step_of_unfinished(const std::vector<json>& journal, const LeftTimes& left) {
  std::int64_t reached = 0;
  int running = 0;  // the attempt whose end is not there
  for (const json& line : journal) {
    const std::string event = line.value("event", "");
    if (event == "attempt_started") running = line.value("attempt", 0);
    if (event == "attempt_ended") {
      reached = std::max(reached, line.value("reached_step", std::int64_t{0}));
      running = 0;
    }
    if (event == "done" || event == "stopped" || event == "gave_up") reached = 0;
    if (event != "run_started" || running == 0) continue;
    for (const TimesFile& file : left(running)) reached = std::max(reached, file.times.completed_step);
    running = 0;
  }
  if (running > 0)
    for (const TimesFile& file : left(running)) reached = std::max(reached, file.times.completed_step);
  return reached;
}

std::string goodput_line(const Account& account) {
  if (account.wall_seconds <= 0) return {};
  std::vector<RunCause> losses;
  for (std::size_t i = 0; i < kRunCauses; ++i)
    if (static_cast<RunCause>(i) != RunCause::useful && account.seconds[i] >= 0.0005 * account.wall_seconds)
      losses.push_back(static_cast<RunCause>(i));
  std::stable_sort(losses.begin(), losses.end(), [&](RunCause a, RunCause b) { return account[a] > account[b]; });
  std::string text = fmt::format("goodput {:.1f}% (useful steps {:.1f} of {:.1f} s)", 100 * account.goodput(), account[RunCause::useful],
                                 account.wall_seconds);
  for (std::size_t i = 0; i < losses.size(); ++i)
    text += fmt::format("{}{} {:.1f}%", i == 0 ? "; " : ", ", title_of(losses[i]), 100 * account[losses[i]] / account.wall_seconds);
  return text;
}

}  // namespace holdfast
