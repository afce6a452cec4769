#include "launch/supervision.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "base/exit_code.h"
#include "base/same_texts.h"

namespace holdfast {
namespace {

bool is_failure(const ExitRecord& record) { return !record.is_clean() && !(record.signal == 0 && record.exit_code == kExitTemporary); }

/// The rank ended because another one failed, whose own record is on its way.
bool is_consequence(const ExitRecord& record) { return record.signal == 0 && record.exit_code == kExitUnavailable && !record.is_shim_lost; }

}  // namespace

Supervision::Supervision(RestartOptions options, int world_size, int first_attempt)
    : options_(std::move(options)), world_size_(world_size), first_attempt_(first_attempt), attempt_(first_attempt - 1) {}

std::vector<Action> Supervision::on(const Event& event) {
  if (phase_ == Phase::over) return {};
  return std::visit([this](const auto& one) { return handle(one); }, event);
}

std::string Supervision::fingerprint() const {
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}", static_cast<int>(phase_), world_size_, launches_,
                     std::min(stop_signals_, 2), has_told_kill_, has_forced_kill_, current_.was_stop_requested, current_.was_kill_requested,
                     current_.has_resumed, current_.launcher_signal != 0, current_.hang.has_value(), fmt::join(ended_, ","),
                     current_.stacks.size(), outcomes_.size());
}

std::vector<Action> Supervision::handle(const event::Placed& event) {
  world_size_ = event.world_size;
  hosts_ = event.hosts;
  return {};
}

std::vector<Action> Supervision::handle(const event::TooFewHosts& event) {
  if (phase_ != Phase::waiting && phase_ != Phase::idle) return {};
  phase_ = Phase::over;
  return {action::Finish{{.kind = RestartDecision::Kind::give_up, .exit_code = kExitUnavailable, .reason = event.reason}}};
}

std::vector<Action> Supervision::launch(std::int64_t durable_step) {
  ++attempt_;
  phase_ = Phase::running;
  ended_.clear();
  has_told_kill_ = has_forced_kill_ = false;
  current_ = {.attempt = attempt_, .durable_before = durable_step};
  const bool is_restart = launches_++ > 0;
  return {action::Journal{"attempt_started",
                          {{"attempt", attempt_},
                           {"world_size", world_size_},
                           {"hosts", hosts_},
                           {"durable_step", durable_step},
                           {"is_restart", is_restart}}},
          action::Launch{attempt_, is_restart}};
}

std::vector<Action> Supervision::handle(const event::Start& event) { return launch(event.durable_step); }

std::vector<Action> Supervision::handle(const event::RankJoined& event) {
  // One that joins late, while the others are being ended or stopped, hears of it at once.
  (void)event;
  if (has_told_kill_) return {action::TellKill{}};
  if (phase_ == Phase::running && stop_signals_ > 0) return {action::TellStop{}};
  return {};
}

/// It need not be the newest step that was durable when the attempt began: a damaged one, `resume: none`, a given checkpoint.
std::vector<Action> Supervision::handle(const event::Resumed& event) {
  if ((phase_ != Phase::running && phase_ != Phase::ending) || std::exchange(current_.has_resumed, true)) return {};
  current_.durable_before = event.step;
  return {action::Journal{"resumed", {{"attempt", attempt_}, {"step", event.step}}}};
}

/// From here on the attempt's processes are only waited for.
void Supervision::end_attempt(std::vector<Action>& actions) {
  if (has_told_kill_) return;
  phase_ = Phase::ending;
  has_told_kill_ = true;
  actions.push_back(action::TellKill{});
  actions.push_back(action::StartKillTimer{});
}

std::vector<Action> Supervision::handle(const event::RankEnded& event) {
  std::vector<Action> actions;
  if (phase_ != Phase::running && phase_ != Phase::ending) return actions;
  if (!ended_.insert(event.record.rank).second) return actions;
  current_.ends.push_back(event.record);
  if (has_forced_kill_ && event.record.error == kLauncherDied) current_.ends.back().error.clear();  // by this one's supervisor
  // Where thousands say that a peer is lost, each sync of its own would hold up the restart.
  if (is_failure(event.record) && !event.record.was_killed_by_us)
    actions.push_back(action::Journal{"rank_lost", to_json(event.record), /*can_wait=*/has_told_kill_});
  if (is_consequence(event.record) && phase_ == Phase::running && static_cast<int>(ended_.size()) < world_size_) {
    phase_ = Phase::ending;  // the others get a moment to say why themselves
    actions.push_back(action::StartKillTimer{});
  } else if (is_failure(event.record) || static_cast<int>(ended_.size()) == world_size_) {
    end_attempt(actions);
  }
  return actions;
}

std::vector<Action> Supervision::handle(const event::ShimLost& event) {
  return handle(
      event::RankEnded{{.rank = event.rank, .host = event.host, .was_killed_by_us = phase_ == Phase::ending, .is_shim_lost = true}});
}

std::vector<Action> Supervision::handle(const event::ShimSilent& event) {
  return handle(event::RankEnded{{.rank = event.rank,
                                  .host = event.host,
                                  .error = fmt::format("nothing was heard from its shim for {:.1f} s", event.seconds),
                                  .was_killed_by_us = has_told_kill_,
                                  .is_shim_lost = true}});
}

/// The ends of its ranks that are known already, and those that never will be, are explained by it.
std::vector<Action> Supervision::handle(const event::HostLost& event) {
  if (phase_ != Phase::running && phase_ != Phase::ending) return {};
  const std::string error = fmt::format("host {} is lost with {}: {}", event.host, numbered("rank", event.ranks), event.evidence);
  std::vector<Action> actions = {action::Journal{
      "host_lost", {{"attempt", attempt_}, {"host", event.host}, {"ranks", event.ranks}, {"evidence", event.evidence}, {"error", error}}}};
  for (ExitRecord& end : current_.ends)
    if ((end.is_shim_lost || end.was_killed_by_us) && std::find(event.ranks.begin(), event.ranks.end(), end.rank) != event.ranks.end()) {
      end.error = error;
      end.is_shim_lost = true;
      end.was_killed_by_us = false;
    }
  for (const int rank : event.ranks)
    if (ended_.insert(rank).second) current_.ends.push_back({.rank = rank, .host = event.host, .error = error, .is_shim_lost = true});
  // What the others said meanwhile (that a peer does not answer) followed from it.
  std::stable_partition(current_.ends.begin(), current_.ends.end(), [&error](const ExitRecord& end) { return end.error == error; });
  current_.hang.reset();  // nor was a rank there stuck
  end_attempt(actions);
  return actions;
}

std::vector<Action> Supervision::handle(const event::LauncherEnded& event) {
  std::vector<Action> actions;
  const bool was_killed = WIFSIGNALED(event.wait_status) && !has_forced_kill_;
  if (was_killed) current_.launcher_signal = WTERMSIG(event.wait_status);
  if (phase_ == Phase::running || was_killed)
    actions.push_back(action::Journal{"launcher_ended",
                                      {{"attempt", attempt_}, {"wait_status", event.wait_status}, {"signal", current_.launcher_signal}}});
  if (phase_ == Phase::running) end_attempt(actions);
  return actions;
}

std::vector<Action> Supervision::handle(const event::Hung& event) {
  if (phase_ != Phase::running || current_.hang) return {};
  current_.hang = event.hang;
  nlohmann::json fields = to_json(event.hang);
  fields["attempt"] = attempt_;
  return {action::Journal{"hang", std::move(fields)}, action::TakeStacks{}, action::StartStackTimer{}};
}

std::vector<Action> Supervision::handle(const event::StackTaken& event) {
  std::vector<Action> actions;
  if (!current_.hang) return actions;
  current_.stacks[event.rank] = event.note;
  if (phase_ == Phase::running && std::ssize(current_.stacks) + std::ssize(ended_) >= world_size_) end_attempt(actions);
  return actions;
}

std::vector<Action> Supervision::handle(const event::StackDeadline&) {
  std::vector<Action> actions;
  if (phase_ == Phase::running && current_.hang) end_attempt(actions);
  return actions;
}

std::vector<Action> Supervision::handle(const event::StopSignal&) {
  ++stop_signals_;
  current_.was_stop_requested = true;
  if (phase_ == Phase::waiting || phase_ == Phase::idle) {
    phase_ = Phase::over;
    return {
        action::Journal{"stop_requested", {{"attempt", attempt_}}},
        action::Finish{
            {.kind = RestartDecision::Kind::stopped, .exit_code = kExitTemporary, .reason = "stopped on request between two attempts"}}};
  }
  if (stop_signals_ == 1)
    return {action::Journal{"stop_requested", {{"attempt", attempt_}}}, action::TellStop{}, action::StartGraceTimer{}};
  current_.was_kill_requested = true;
  phase_ = Phase::ending;
  has_told_kill_ = has_forced_kill_ = true;
  return {action::Journal{"kill_requested", {{"attempt", attempt_}}}, action::TellKill{}, action::ForceKill{}};
}

std::vector<Action> Supervision::handle(const event::GraceExpired&) {
  std::vector<Action> actions;
  if (phase_ != Phase::running) return actions;
  actions.push_back(action::Journal{"stop_took_too_long", {{"attempt", attempt_}, {"seconds", options_.stop_grace_seconds}}});
  end_attempt(actions);
  return actions;
}

std::vector<Action> Supervision::handle(const event::KillDeadline&) {
  std::vector<Action> actions;
  if (phase_ != Phase::ending) return actions;
  if (!has_told_kill_) {
    end_attempt(actions);
  } else {
    has_forced_kill_ = true;
    actions.push_back(action::ForceKill{});
  }
  return actions;
}

std::vector<Action> Supervision::handle(const event::AllGone& event) {
  if (phase_ != Phase::ending) return {};
  current_.is_done = event.is_done;
  current_.durable_after = event.durable_step;
  current_.launcher_lines = event.launcher_lines;
  current_.reached_step = std::max(event.reached_step, event.durable_step);
  outcomes_.push_back(current_);
  const RestartDecision decision = decide(options_, outcomes_);
  const std::optional<ExitRecord> cause = cause_of(current_);
  std::vector<Action> actions = {action::Journal{"attempt_ended",
                                                 {{"attempt", attempt_},
                                                  {"is_done", event.is_done},
                                                  {"durable_step", event.durable_step},
                                                  {"reached_step", current_.reached_step},
                                                  {"recomputed_steps", lost_steps(current_)},
                                                  {"cause", cause ? to_json(*cause) : nlohmann::json()},
                                                  {"decision", name_of(decision.kind)},
                                                  {"reason", decision.reason}}}};
  if (decision.kind == RestartDecision::Kind::restart) {
    phase_ = Phase::waiting;
    actions.push_back(action::Journal{"restart", {{"after_attempt", attempt_}, {"delay_seconds", decision.delay_seconds}}});
    actions.push_back(action::StartDelay{decision.delay_seconds});
  } else {
    phase_ = Phase::over;
    actions.push_back(action::Finish{decision});
  }
  return actions;
}

std::vector<Action> Supervision::handle(const event::DelayOver&) {
  return phase_ == Phase::waiting ? launch(outcomes_.back().durable_after) : std::vector<Action>{};
}

}  // namespace holdfast
