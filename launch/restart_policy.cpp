#include "launch/restart_policy.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/exit_code.h"
#include "base/same_texts.h"

namespace holdfast {
namespace {

constexpr int kCannotBeLoaded = 127;  // the loader's, where a library of the program is missing or may not be read

/// Codes by which a rank says that starting again cannot help.
bool is_final(int exit_code) {
  return exit_code == kExitConfiguration || exit_code == kExitUsage || exit_code == kExitData || exit_code == kCannotBeLoaded;
}

/// What was printed last by the rank that ended the attempt, or by mpirun; without what is said of it anyway.
std::string last_lines_of(const AttemptOutcome& outcome) {
  const std::optional<ExitRecord> cause = cause_of(outcome);
  const std::vector<std::string>& lines = cause ? cause->last_lines : outcome.launcher_lines;
  if (lines.empty()) return {};
  std::string text = cause ? fmt::format("\nlast lines of rank {}:", cause->rank) : "\nlast lines of mpirun:";
  for (const std::string& line : lines)
    if (!cause || cause->error.empty() || !line.ends_with(first_line(cause->error))) text += "\n  | " + line;
  return text;
}

RestartDecision give_up_for_good(const AttemptOutcome& outcome) {
  const ExitRecord cause = *cause_of(outcome);
  std::string conclusion = "starting again cannot help";
  if (cause.exit_code == kCannotBeLoaded)
    conclusion +=
        "\n  next: `bash scripts/setup.sh` as the user who trains, since LibTorch lies below the home of who has set it up, then build "
        "again; or HOLDFAST_TORCH=/path/to/torch that this user may read (docs/operations.md)";
  if (cause.error.empty()) conclusion += last_lines_of(outcome);
  return {.kind = RestartDecision::Kind::give_up,
          .exit_code = cause.exit_code,
          .reason = describe(cause) + "\n  " + conclusion,
          .conclusion = conclusion};
}

bool has_progressed(const AttemptOutcome& outcome) { return outcome.durable_after > outcome.durable_before; }

/// What the attempt went back for; empty: it ended in another way.
std::string reason_to_go_back(const AttemptOutcome& outcome) {
  const std::optional<ExitRecord> cause = cause_of(outcome);
  return cause && cause->signal == 0 && cause->exit_code == kExitRolledBack ? "rolled back: " + cause->error : "";
}

/// The next attempt leaves out something more. Not if it is the same as before: then the ranks' list does not grow.
bool has_learned(const std::vector<AttemptOutcome>& outcomes, std::size_t index) {
  const std::string reason = reason_to_go_back(outcomes[index]);
  return !reason.empty() && (index == 0 || reason != reason_to_go_back(outcomes[index - 1]));
}

std::int64_t attempts_without_progress(const std::vector<AttemptOutcome>& outcomes) {
  std::size_t first = outcomes.size();
  while (first > 0 && !has_progressed(outcomes[first - 1]) && !has_learned(outcomes, first - 1)) --first;
  return static_cast<std::int64_t>(outcomes.size() - first);
}

/// How the newest `count` attempts ended, and which of them ended so.
SameTexts ends_of(const std::vector<AttemptOutcome>& outcomes, std::int64_t count) {
  SameTexts ends;
  for (auto outcome = outcomes.end() - count; outcome != outcomes.end(); ++outcome)
    add_text(ends, describe_end(*outcome), outcome->attempt);
  return ends;
}

/// `how` the newest `count` attempts have all ended.
std::string diagnosis(const std::vector<AttemptOutcome>& outcomes, std::int64_t count, std::string_view how) {
  std::string text = fmt::format("{} {}:", count == 1 ? "1 attempt" : fmt::format("{} attempts in a row", count), how);
  for (const auto& [end, attempts] : ends_of(outcomes, count)) text += fmt::format("\n  {}: {}", numbered("attempt", attempts), end);
  return text + last_lines_of(outcomes.back());
}

/// Where all ranks are inside the same collective, the state of their processes tells who does not take part: MPI polls while it waits, so
/// that one that is stopped, inside the kernel or asleep is behind it.
const Hang::Culprit& likeliest_culprit(const AttemptOutcome& outcome) {
  constexpr std::string_view kLikeliest = "TtDS";  // the first letter of a state; others come last
  const auto order = [&](const Hang::Culprit& culprit) {
    const auto note = outcome.stacks.find(culprit.rank);
    return note == outcome.stacks.end() || note->second.state.empty() ? kLikeliest.npos : kLikeliest.find(note->second.state.front());
  };
  const std::vector<Hang::Culprit>& culprits = outcome.hang->culprits;
  return *std::min_element(culprits.begin(), culprits.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
}

/// Of the rank that the others waited for: what its shim wrote down when it was killed, and what was seen before.
ExitRecord record_of_hang(const AttemptOutcome& outcome) {
  const Hang::Culprit& culprit = likeliest_culprit(outcome);
  ExitRecord record{.rank = culprit.rank,
                    .host = culprit.host,
                    .section = std::string(name_of(culprit.pulse.section)),
                    .step = culprit.pulse.step,
                    .global_step = culprit.pulse.global_step,
                    .collectives = culprit.pulse.collectives,
                    .is_inside_collective = culprit.pulse.is_inside_collective};
  for (const ExitRecord& end : outcome.ends)
    if (end.rank == culprit.rank && !end.is_shim_lost) record = end;
  record.is_hung = true;
  record.was_killed_by_us = false;
  record.evidence = describe(*outcome.hang);
  if (const auto note = outcome.stacks.find(culprit.rank); note != outcome.stacks.end())
    record.evidence += fmt::format("; its process was {}{}{}; all stacks: {}", note->second.state,
                                   note->second.functions.empty() ? "" : ", in ", note->second.functions, note->second.file);
  return record;
}

/// What makes two failures the same one; empty where nothing does: the shim is gone, the step of the failure has been passed
/// since, or the next attempt leaves out what it was made of.
std::string signature_of(const AttemptOutcome& outcome) {
  const std::optional<ExitRecord> cause = cause_of(outcome);
  if (!cause || cause->is_shim_lost || !reason_to_go_back(outcome).empty() || cause->step <= outcome.durable_after) return {};
  return fmt::format("{} {} {} {} {} {}", cause->section, cause->step, cause->signal, cause->exit_code, cause->is_hung,
                     first_line(cause->error));
}

/// The newest attempts that ended by the same failure at the same step, one after the other, whatever was saved between them.
std::int64_t attempts_with_the_same_end(const std::vector<AttemptOutcome>& outcomes) {
  const std::string signature = signature_of(outcomes.back());
  std::int64_t count = 0;
  for (auto outcome = outcomes.rbegin(); outcome != outcomes.rend() && !signature.empty() && signature_of(*outcome) == signature; ++outcome)
    ++count;
  return count;
}

/// Where mpirun lives, and a shim says that it does not: its daemon on another host is gone, and mpirun has killed what it could reach.
std::optional<ExitRecord> record_of_lost_daemon(const AttemptOutcome& outcome) {
  if (outcome.launcher_signal != 0) return std::nullopt;
  for (ExitRecord end : outcome.ends)
    if (end.error == kLauncherDied) {
      end.was_killed_by_us = false;
      end.evidence = "mpirun's daemon on its host was killed";
      return end;
    }
  return std::nullopt;
}

}  // namespace

std::optional<ExitRecord> cause_of(const AttemptOutcome& outcome) {
  if (outcome.hang) return record_of_hang(outcome);
  const std::optional<ExitRecord> lost_daemon = record_of_lost_daemon(outcome);
  std::optional<ExitRecord> consequence;
  for (const ExitRecord& end : outcome.ends) {
    if (end.is_clean() || (end.signal == 0 && end.exit_code == kExitTemporary) || end.was_killed_by_us) continue;
    if (end.signal == 0 && end.exit_code == kExitUnavailable) {  // "a peer is lost": another one explains it
      if (!consequence) consequence = end;
      continue;
    }
    if (end.is_shim_lost && lost_daemon) continue;  // mpirun has killed what it could reach
    return end;
  }
  return lost_daemon ? lost_daemon : consequence;
}

std::int64_t lost_steps(const AttemptOutcome& outcome) {
  return outcome.is_done
             ? 0
             : std::max<std::int64_t>(0, outcome.reached_step - std::max<std::int64_t>({outcome.durable_after, outcome.durable_before, 0}));
}

std::string describe_end(const AttemptOutcome& outcome) {
  const std::optional<ExitRecord> cause = cause_of(outcome);
  if (cause) return describe(*cause);
  if (outcome.launcher_signal != 0)
    return fmt::format("mpirun was ended by signal {} ({})", outcome.launcher_signal, ::strsignal(outcome.launcher_signal));
  for (const ExitRecord& end : outcome.ends)
    if (end.was_killed_by_us && !end.error.empty()) return fmt::format("rank {}: {}", end.rank, end.error);
  for (const ExitRecord& end : outcome.ends)
    if (end.stops_run) return "stopped: " + end.error;
  std::optional<ExitRecord> stopped;  // the one that knows why, if any does
  for (const ExitRecord& end : outcome.ends)
    if (end.signal == 0 && end.exit_code == kExitTemporary && (!stopped || stopped->error.empty())) stopped = end;
  if (stopped && stopped->error.empty()) return "the ranks stopped after a checkpoint, and no rank says who asked for it";
  if (stopped)
    return fmt::format("the ranks stopped after a checkpoint: rank {} was asked to ({}), the supervisor was not", stopped->rank,
                       stopped->error);
  return "mpirun ended without DONE, no rank says why";
}

const char* name_of(RestartDecision::Kind kind) {
  switch (kind) {
    case RestartDecision::Kind::restart: return "restart";
    case RestartDecision::Kind::done: return "done";
    case RestartDecision::Kind::stopped: return "stopped";
    case RestartDecision::Kind::give_up: return "gave_up";
  }
  return "";
}

RestartDecision decide(const RestartOptions& options, const std::vector<AttemptOutcome>& outcomes) {
  using Kind = RestartDecision::Kind;
  const AttemptOutcome& last = outcomes.back();
  if (last.is_done) return {.kind = Kind::done, .reason = "finished"};
  const std::int64_t durable = std::max<std::int64_t>(last.durable_after, 0);
  const std::string again = fmt::format("start it again to go on from step {}", durable);
  if (last.was_kill_requested) return {.kind = Kind::stopped, .exit_code = 128 + SIGINT, .reason = "killed on request; " + again};
  const std::optional<ExitRecord> cause = cause_of(last);
  if (last.was_stop_requested && !cause && last.reached_step > durable)
    return {.kind = Kind::stopped,
            .exit_code = kExitTemporary,
            .reason = fmt::format("stopped on request, without a checkpoint of the last step ({})\n  {}", last.reached_step, again)};
  if (last.was_stop_requested && !cause)
    return {.kind = Kind::stopped, .exit_code = kExitTemporary, .reason = "stopped on request; start it again to go on"};
  for (const ExitRecord& end : last.ends)
    if (end.stops_run)  // said when the state was durable: what happened to the rank after that is of no matter
      return {.kind = Kind::stopped, .exit_code = kExitTemporary, .reason = "stopped: " + end.error + "; start it again to go on"};
  if (cause && cause->signal == 0 && (is_final(cause->exit_code) || cause->is_futile)) return give_up_for_good(last);
  if (last.was_stop_requested)
    return {.kind = Kind::stopped,
            .exit_code = kExitTemporary,
            .reason = fmt::format("stopped on request, without a checkpoint of the last step: {}\n  {}", describe(*cause), again)};
  const std::int64_t futile = attempts_without_progress(outcomes);
  if (futile >= options.max_attempts_without_progress)
    return {.kind = Kind::give_up,
            .exit_code = kExitSoftware,
            .reason = diagnosis(outcomes, futile, "ended without a new durable step") +
                      fmt::format("\n  next: mend what has ended them, and {}; where each was an accident, save more often, or raise "
                                  "restart.max_attempts_without_progress",
                                  again)};
  if (const std::int64_t same = attempts_with_the_same_end(outcomes); same >= options.max_attempts_without_progress)
    return {.kind = Kind::give_up,
            .exit_code = kExitSoftware,
            .reason = diagnosis(outcomes, same, "ended by the same failure at the same step") + "\n  next: mend it, and " + again};
  if (options.max_restarts && static_cast<std::int64_t>(outcomes.size()) > *options.max_restarts)
    return {.kind = Kind::give_up,
            .exit_code = kExitSoftware,
            .reason = fmt::format("restart.max_restarts ({}) is reached; the last cause: {}\n  next: {}, or raise that limit",
                                  *options.max_restarts, describe_end(last), again)};
  const double delay = futile >= 1 ? options.backoff_seconds * std::pow(2.0, static_cast<double>(futile - 1)) : 0.0;
  return {.kind = Kind::restart, .delay_seconds = delay, .reason = describe_end(last)};
}

}  // namespace holdfast
