#include "launch/attempt/standby.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/environment.h"
#include "base/error.h"
#include "launch/attempt/sweep.h"

namespace holdfast {
namespace {

constexpr double kFirstDelaySeconds = 1;     // the attempt that trains has its own start behind it by then
constexpr double kLongestDelaySeconds = 60;  // between two starts, where each has come to nothing
constexpr double kReadySeconds = 120;
constexpr double kLookSeconds = 0.2;
constexpr double kLookAgainSeconds = 0.02;
constexpr double kSweepSeconds = 5;

}  // namespace

void Standby::want(int attempt, int ranks, const Placement& placement) {
  if (is_wanted_ && attempt == attempt_ && ranks == ranks_ && placement == placement_) return;
  unwant();
  attempt_ = attempt;
  ranks_ = ranks;
  placement_ = placement;
  is_wanted_ = true;
  losses_ = 0;
  start_timer_.start(clock_.seconds(), kFirstDelaySeconds);
}

void Standby::unwant() {
  is_wanted_ = false;
  start_timer_.stop();
  if (processes_.leases) lose("");
}

void Standby::end_now() {
  unwant();
  if (!processes_.leases) return;
  sweep(environment::kAttemptTag, processes_.tag, kSweepSeconds);
  processes_ = {};
  is_ending_ = false;
}

bool Standby::is_ready(int attempt, int ranks, const Placement& placement) const {
  return processes_.leases && !is_ending_ && attempt == attempt_ && ranks == ranks_ && placement == placement_ &&
         std::ssize(ready_) == ranks_ && processes_.leases->connected() == ranks_;
}

AttemptProcesses Standby::promote(std::int64_t reached_step) {
  processes_.leases->tell("promote", {{"reached_step", reached_step}});
  is_wanted_ = false;
  ready_timer_.stop();
  return std::exchange(processes_, {});
}

void Standby::add_to(std::vector<pollfd>& waiting) const {
  if (processes_.leases) processes_.leases->add_to(waiting);
}

void Standby::tick() {
  const double now = clock_.seconds();
  if (processes_.leases) {
    processes_.leases->take_messages(attempt_);
    if (ready_timer_.take(now)) lose("they were not ready in time");
    if (is_ending_ && is_gone()) {
      processes_ = {};
      is_ending_ = false;
    }
  }
  if (!processes_.leases && is_wanted_ && start_timer_.take(now)) start();
}

void Standby::start() {
  ready_.clear();
  started_at_ = clock_.seconds();
  ready_timer_.start(started_at_, kReadySeconds);
  handlers_.journal("standby_started", {{"attempt", attempt_}});
  const auto lost = [this](int rank, const std::string&) { lose(fmt::format("rank {} is gone", rank)); };
  const auto said = [this](int rank, const nlohmann::json& message) { take_message(rank, message); };
  try {
    processes_ = handlers_.start(attempt_, {.joined = [](int, const std::string&) {}, .said = said, .lost = lost});
  } catch (const Error& error) {  // the run needs none of them
    ready_timer_.stop();
    try_again_later(error.what());
  }
}

void Standby::take_message(int rank, const nlohmann::json& message) {
  if (message.contains("exit")) return lose(fmt::format("rank {} has ended", rank));
  if (!message.contains("standby") || is_ending_ || !message["standby"].at("is_ready").get<bool>()) return;
  if (!ready_.emplace(rank, message["standby"].at("private_bytes").get<std::int64_t>()).second || std::ssize(ready_) < ranks_) return;
  ready_timer_.stop();
  losses_ = 0;
  std::int64_t bytes = 0;
  for (const auto& [ready, of_rank] : ready_) bytes += of_rank;
  handlers_.journal("standby_ready", {{"attempt", attempt_}, {"seconds", clock_.seconds() - started_at_}, {"private_bytes", bytes}});
}

/// An empty `why`: nobody wants them any more.
void Standby::lose(const std::string& why) {
  if (std::exchange(is_ending_, true)) return;
  ready_timer_.stop();
  processes_.leases->tell("kill");
  if (processes_.launcher > 0) ::kill(processes_.launcher, SIGKILL);
  if (!why.empty()) try_again_later(why);
}

void Standby::try_again_later(const std::string& why) {
  const double delay = std::min(kLongestDelaySeconds, kFirstDelaySeconds * static_cast<double>(1 << std::min(losses_++, 6)));
  handlers_.journal("standby_lost", {{"attempt", attempt_}, {"error", why}, {"next_in_seconds", delay}});
  start_timer_.start(clock_.seconds(), delay);
}

void Standby::ping() {
  if (processes_.leases) processes_.leases->tell("ping");
}

bool Standby::is_gone() {
  if (processes_.launcher > 0 || clock_.seconds() < next_look_) return false;
  next_look_ = clock_.seconds() + kLookSeconds;
  return sweep(environment::kAttemptTag, processes_.tag, kLookAgainSeconds) == 0;
}

void Standby::reaped(pid_t pid) {
  if (pid != processes_.launcher || pid == 0) return;
  processes_.launcher = 0;
  if (!is_ending_) lose("mpirun has ended");
}

void Standby::stopped(pid_t pid) const {
  if (pid == processes_.launcher) ::kill(pid, SIGCONT);
}

}  // namespace holdfast
