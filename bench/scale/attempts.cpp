#include "bench/scale/attempts.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/exit_code.h"
#include "launch/accounting.h"
#include "launch/journal.h"
#include "launch/watch/attempt_times.h"

namespace holdfast {
namespace {

constexpr std::int64_t kFrom = 1000, kStep = 1234;  // restored; where it ends
constexpr int kRanksOfHost = 8;

std::string host_of(int rank) { return fmt::format("node{:05d}", rank / kRanksOfHost); }

ExitRecord end_of(int rank, int exit_code, int signal, const std::string& error) {
  return {.rank = rank,
          .host = host_of(rank),
          .pid = 4000 + rank,
          .exit_code = exit_code,
          .signal = signal,
          .section = "reduce",
          .step = kStep,
          .global_step = kStep - 1,
          .collectives = 9000,
          .is_inside_collective = true,
          .error = error,
          .last_lines = {fmt::format("2026-01-01T00:00:00.000Z rank {} step {} info: logged", rank, kStep)}};
}

Hang hang_of(Ending ending, int ranks) {
  const RankPulse pulse{.section = Section::reduce, .step = kStep, .global_step = kStep - 1, .beats = 1, .collectives = 9000};
  Hang hang{.deadline_seconds = 5};
  const int first = ending == Ending::stuck ? 0 : ranks / 2, last = ending == Ending::stuck ? ranks : ranks / 2 + 1;
  for (int rank = 0; rank < ranks; ++rank)
    if (rank >= first && rank < last)
      hang.culprits.push_back({.rank = rank, .host = host_of(rank), .pulse = pulse, .silent_seconds = 5.1});
    else
      hang.waiters.push_back(rank);
  return hang;
}

TimeRecord times_of(int rank) {
  TimeRecord times{.age_seconds = 250, .completed_step = kStep - 1, .busy_seconds = 200 + 0.001 * rank};
  for (const TimeCause cause : {TimeCause::startup, TimeCause::restore, TimeCause::steps, TimeCause::data, TimeCause::collectives})
    times.seconds[static_cast<std::size_t>(cause)] = 50.0 + 1e-4 * rank;
  return times;
}

}  // namespace

const char* name_of(Ending ending) {
  switch (ending) {
    case Ending::killed: return "killed";
    case Ending::cut: return "cut";
    case Ending::hung: return "hung";
    case Ending::stuck: return "stuck";
    case Ending::done: return "done";
  }
  return "";
}

std::vector<Event> events_of(Ending ending, int ranks) {
  std::vector<Event> events;
  for (int rank = 0; rank < ranks; ++rank) events.push_back(event::RankJoined{rank});
  events.push_back(event::Resumed{kFrom});
  const bool is_hang = ending == Ending::hung || ending == Ending::stuck;
  if (is_hang) {
    events.push_back(event::Hung{hang_of(ending, ranks)});
    for (int rank = 0; rank < ranks; ++rank)
      events.push_back(event::StackTaken{rank, {.state = "R (running)", .functions = "poll, MPI_Allreduce", .file = "rank.stacks.txt"}});
  }
  const int first = ranks / 2;
  if (ending == Ending::killed) events.push_back(event::RankEnded{end_of(first, 0, SIGKILL, "")});
  for (int rank = 0; rank < ranks; ++rank) {
    if (ending == Ending::done) events.push_back(event::RankEnded{end_of(rank, 0, 0, "")});
    if (ending == Ending::cut && rank != first)
      events.push_back(event::RankEnded{end_of(rank, kExitUnavailable, 0, "MPI_Allreduce: a peer is lost")});
    if ((ending == Ending::killed && rank != first) || is_hang) {
      ExitRecord record = end_of(rank, 0, SIGKILL, "");
      record.was_killed_by_us = true;
      events.push_back(event::RankEnded{record});
    }
  }
  if (ending == Ending::cut) events.push_back(event::RankEnded{end_of(first, 0, SIGKILL, "")});
  events.push_back(event::LauncherEnded{SIGKILL});
  events.push_back(event::AllGone{ending == Ending::done, kFrom + 100, kStep - 1});
  return events;
}

Attempts::Attempts(const Path& journal, int ranks) : ranks_(ranks), journal_(journal), supervision_({}, ranks, 1) {}

void Attempts::run(Ending ending) {
  std::vector<Event> events = events_of(ending, ranks_);
  events.insert(events.begin(), supervision_.phase() == Supervision::Phase::idle ? Event(event::Start{kFrom}) : event::DelayOver{});
  for (const Event& event : events) {
    std::vector<Action> actions;
    const double seconds = seconds_of([&] { actions = supervision_.on(event); });
    machine_seconds_ += seconds;
    slowest_event_seconds_ = std::max(slowest_event_seconds_, seconds);
    for (const Action& action : actions)
      if (const auto* line = std::get_if<action::Journal>(&action)) write(*line);
  }
}

void Attempts::write(const action::Journal& line) {
  const SystemClock clock;
  nlohmann::json fields = line.fields;
  if (line.event == "attempt_ended") {
    AttemptTimes times;
    times.begin(0);
    for (int rank = 0; rank < ranks_; ++rank) times.heard(rank, host_of(rank), times_of(rank), 255);
    fields["times"] = times.take(256);
  }
  const Journal::Durability durability = line.can_wait ? Journal::Durability::with_next_line : Journal::Durability::now;
  journal_seconds_ += seconds_of([&] { Journal(journal_, clock).write(line.event, fields, durability); });
  ++lines_;
  synced_lines_ += line.can_wait ? 0 : 1;
}

std::vector<Figure> measure_attempts(const ScaleTask& task) {
  const auto files = make_posix_file_system();
  std::vector<Figure> figures;
  for (const Ending ending : kEndings) {
    const std::string name = fmt::format("attempt.{}", name_of(ending));
    Figure machine{.way = name + ".machine", .ranks = task.ranks}, journal{.way = name + ".journal", .ranks = task.ranks},
        replay{.way = name + ".replay", .ranks = task.ranks};
    for (int number = 0; number < task.repeat; ++number) {
      const Path path = Path(task.directory) / "journal.jsonl";
      remove_tree(*files, path);
      Attempts attempts(path, task.ranks);
      attempts.run(ending);
      machine.seconds.push_back(attempts.machine_seconds());
      journal.seconds.push_back(attempts.journal_seconds());
      replay.seconds.push_back(seconds_of([&] {
        const std::vector<nlohmann::json> lines = Journal::read(path);
        const auto none = [](int) { return std::vector<TimesFile>{}; };
        const Account made = account(lines, none);
        if (Journal::newest_attempt(lines) != 1 || std::ssize(made.ranks) != task.ranks)
          throw Error("the journal of an attempt says something else", kExitSoftware);
      }));
      machine.facts = {{"events", events_of(ending, task.ranks).size() + 1}, {"slowest_event_seconds", attempts.slowest_event_seconds()}};
      journal.facts = {{"lines", attempts.lines()}, {"synced_lines", attempts.synced_lines()}, {"bytes", read_text(*files, path).size()}};
    }
    figures.insert(figures.end(), {machine, journal, replay});
  }
  remove_tree(*files, Path(task.directory) / "journal.jsonl");
  return figures;
}

}  // namespace holdfast
