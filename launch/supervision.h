// The supervisor's mind: a pure function from (state, event) to (state, actions). It knows no process, socket or clock; the
// driver (supervisor.h) turns what happens into events and actions into deeds.
//
//   starting ──rank joined──▶ running ──failure──▶ ending ──all gone──▶ decided: restart (waiting) or over
//                                │ hang: stacks are taken first, then the same
//                                │  └──all ranks ended──▶ ending
//                                └──stop──▶ stopping ──…──▶ ending
#pragma once

#include <set>
#include <string>
#include <variant>
#include <vector>

#include "launch/restart_policy.h"

namespace holdfast {

namespace event {
/// Who runs where, from the next attempt on.
struct Placed {
  int world_size;
  nlohmann::json hosts;  // [{"host": …, "ranks": …}]
};
struct TooFewHosts {
  std::string reason;
};
struct Start {
  std::int64_t durable_step;
};
struct RankJoined {
  int rank;
};
struct Resumed {      // rank 0 has restored; said more than once
  std::int64_t step;  // -1: from the beginning
};
struct RankEnded {
  ExitRecord record;
};
struct ShimLost {  // its connection is gone, and no record came before
  int rank;
  std::string host;
};
struct ShimSilent {  // its connection stands, and it has said nothing for longer than a lease
  int rank;
  std::string host;
  double seconds;
};
/// Nothing of a host answers; none of its ranks will say how it ended.
struct HostLost {
  std::string host;
  std::vector<int> ranks;
  std::string evidence;
};
struct LauncherEnded {
  int wait_status;
};
struct Hung {  // the ranks are alive and do not get on
  Hang hang;
};
struct StackTaken {  // by a shim, of its rank, after TakeStacks
  int rank;
  StackNote note;
};
struct StackDeadline {};  // taking the stacks takes too long
struct StopSignal {};     // SIGINT, SIGTERM
struct GraceExpired {};   // a stop took too long
struct KillDeadline {};   // ending takes too long: force
/// Nothing of the attempt is left: launcher gone, shims gone, swept.
struct AllGone {
  bool is_done;
  std::int64_t durable_step;
  std::int64_t reached_step;
  std::vector<std::string> launcher_lines = {};  // mpirun's last words
};
struct DelayOver {};
}  // namespace event
using Event =
    std::variant<event::Placed, event::TooFewHosts, event::Start, event::RankJoined, event::Resumed, event::RankEnded, event::ShimLost,
                 event::ShimSilent, event::HostLost, event::LauncherEnded, event::Hung, event::StackTaken, event::StackDeadline,
                 event::StopSignal, event::GraceExpired, event::KillDeadline, event::AllGone, event::DelayOver>;

namespace action {
struct Launch {
  int attempt;
  bool is_restart;
};
struct TellStop {};    // to every shim: the ranks are to checkpoint and end
struct TakeStacks {};  // to every shim: write down what the rank is doing
struct TellKill {};    // to every shim: kill the ranks now
struct ForceKill {};   // SIGKILL the launcher and sweep
struct StartGraceTimer {};
struct StartStackTimer {};
struct StartKillTimer {};
struct StartDelay {
  double seconds;
};
struct Journal {
  std::string event;  // name of the line; see docs/journal.md
  nlohmann::json fields;
  bool can_wait = false;  // nothing is done about it: it may come to the disk with the next line
};
struct Finish {
  RestartDecision decision;
};
}  // namespace action
using Action =
    std::variant<action::Launch, action::TellStop, action::TakeStacks, action::TellKill, action::ForceKill, action::StartGraceTimer,
                 action::StartStackTimer, action::StartKillTimer, action::StartDelay, action::Journal, action::Finish>;

class Supervision {
 public:
  enum class Phase { idle, running, ending, waiting, over };
  /// `first_attempt`: the number of the next attempt in this run directory.
  Supervision(RestartOptions options, int world_size, int first_attempt);
  /// Actions in the order in which they are to be done; journal lines come before what they announce.
  std::vector<Action> on(const Event& event);

  Phase phase() const { return phase_; }
  int attempt() const { return attempt_; }
  int first_attempt() const { return first_attempt_; }
  const std::vector<AttemptOutcome>& outcomes() const { return outcomes_; }
  /// For those who explore the states: where it is equal, the same event is answered by the same kinds of actions. Left out are the number
  /// of the attempt, the words of records, and in which of the ways that are tried again a rank has ended.
  std::string fingerprint() const;

 private:
  std::vector<Action> handle(const event::Placed& event);
  std::vector<Action> handle(const event::TooFewHosts& event);
  std::vector<Action> handle(const event::Start& event);
  std::vector<Action> handle(const event::RankJoined& event);
  std::vector<Action> handle(const event::Resumed& event);
  std::vector<Action> handle(const event::RankEnded& event);
  std::vector<Action> handle(const event::ShimLost& event);
  std::vector<Action> handle(const event::ShimSilent& event);
  std::vector<Action> handle(const event::HostLost& event);
  std::vector<Action> handle(const event::LauncherEnded& event);
  std::vector<Action> handle(const event::Hung& event);
  std::vector<Action> handle(const event::StackTaken& event);
  std::vector<Action> handle(const event::StackDeadline& event);
  std::vector<Action> handle(const event::StopSignal& event);
  std::vector<Action> handle(const event::GraceExpired& event);
  std::vector<Action> handle(const event::KillDeadline& event);
  std::vector<Action> handle(const event::AllGone& event);
  std::vector<Action> handle(const event::DelayOver& event);
  std::vector<Action> launch(std::int64_t durable_step);
  void end_attempt(std::vector<Action>& actions);

  RestartOptions options_;
  int world_size_;
  nlohmann::json hosts_;  // null: this one alone
  int first_attempt_;
  int attempt_;
  int launches_ = 0;
  int stop_signals_ = 0;
  bool has_told_kill_ = false;  // in this attempt
  bool has_forced_kill_ = false;
  Phase phase_ = Phase::idle;
  AttemptOutcome current_;
  std::set<int> ended_;
  std::vector<AttemptOutcome> outcomes_;
};

}  // namespace holdfast
