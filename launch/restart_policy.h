// Whether to start again after an attempt has ended: a pure function of what is known of the attempts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launch/shim/exit_record.h"
#include "launch/watch/hang_watch.h"
#include "options/run_options.h"

namespace holdfast {

/// What a shim has found out about a rank of an attempt that hung.
struct StackNote {
  std::string state;      // of the process, as /proc has it
  std::string functions;  // innermost first; empty: they could not be read
  std::string file;       // with all stacks
};

/// What is known of an attempt that has ended and whose processes are all gone.
struct AttemptOutcome {
  int attempt = 0;
  std::vector<ExitRecord> ends;
  bool is_done = false;  // there is a DONE record of this attempt's making
  bool was_stop_requested = false;
  bool was_kill_requested = false;  // the second signal
  std::int64_t durable_before = -1;
  std::int64_t durable_after = -1;
  std::int64_t reached_step = 0;  // the furthest completed update of any rank
  bool has_resumed = false;       // rank 0 has said what it restored, be it nothing
  std::optional<Hang> hang;       // then all ranks were killed because of it
  std::map<int, StackNote> stacks;
  int launcher_signal = 0;                  // what ended mpirun, unless it was us; 0: nothing did
  std::vector<std::string> launcher_lines;  // mpirun's last words, which count where no rank says why
};

/// The record that explains the attempt's end: the first failure that was no consequence of another. nullopt: none failed.
std::optional<ExitRecord> cause_of(const AttemptOutcome& outcome);

/// Completed steps that the next attempt computes again; 0 where none follows.
std::int64_t lost_steps(const AttemptOutcome& outcome);

/// Why the attempt ended, for people: its cause, else what became of mpirun.
std::string describe_end(const AttemptOutcome& outcome);

struct RestartDecision {
  enum class Kind { restart, done, stopped, give_up } kind = Kind::done;
  double delay_seconds = 0;  // restart
  int exit_code = 0;         // otherwise
  std::string reason;        // for people
  /// What is left to say to who has seen the ranks' ends; empty: the reason.
  std::string conclusion = {};
};

/// "restart", "done", "stopped" or "gave_up": the line of the journal by which the decision is carried out.
const char* name_of(RestartDecision::Kind kind);

/// `outcomes`: of this supervised run, oldest first, at least one.
RestartDecision decide(const RestartOptions& options, const std::vector<AttemptOutcome>& outcomes);

}  // namespace holdfast
