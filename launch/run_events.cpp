#include "launch/run_events.h"

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "launch/exit_record.h"
#include "launch/own_addresses.h"

namespace holdfast {
namespace {

constexpr int kTickMilliseconds = 50;
constexpr double kHookKillSeconds = 5;  // more than a hook's keeper takes to kill

}  // namespace

RunEvents::RunEvents(const RunLayout& layout, const HooksOptions& hooks, const Clock& clock, std::function<void()> meanwhile)
    : clock_(clock),
      hooks_log_(layout.hooks_log()),
      hooks_seconds_(hooks.timeout_seconds),
      journal_(layout.journal(), clock, std::move(meanwhile)),
      hooks_(hooks, layout.root, hooks_log_),
      display_(STDOUT_FILENO, ::isatty(STDOUT_FILENO)) {}

void RunEvents::happened(const std::string& event, const nlohmann::json& fields, const std::string& line) {
  journal_.write(event, fields);
  const std::string text = line.empty() ? line_of(event, fields) : line;
  if (!text.empty()) display_.line(text);
  hooks_.happened(event, fields);
}

std::string RunEvents::line_of(const std::string& event, const nlohmann::json& fields) const {
  if (event == "leftovers")
    return fmt::format("{} processes of an attempt whose supervisor was killed were still there; they are ended",
                       fields.at("processes").get<int>());
  if (event == "launcher_stopped") {
    const std::string host = fields.at("host");
    return (is_this_host(host) ? "mpirun" : "mpirun's daemon on " + host) + " was stopped by somebody; it is continued";
  }
  if (event == "rank_lost") {
    ExitRecord record = exit_record_from_json(fields);
    if (display_.has_just_shown(record.error)) record.error.clear();  // by another rank, or by rank 0's log
    return describe(record);
  }
  if (event == "hang") {
    const nlohmann::json& culprit = fields.at("culprits").at(0);
    return fmt::format("rank {} hangs in section {} of step {}; its stacks are taken, then all ranks are started again",
                       culprit.at("rank").get<int>(), culprit.at("section").get<std::string>(), culprit.at("step").get<std::int64_t>());
  }
  if (event == "host_lost") return fields.at("error");
  if (event == "hook_ended" && !fields.at("error").get<std::string>().empty())
    return fmt::format("hook {} failed: {}; the run is not affected, {} has what it printed", fields.at("hook").get<std::string>(),
                       fields.at("error").get<std::string>(), hooks_log_.string());
  return {};
}

void RunEvents::tell_ended_hooks() {
  for (const HookEnd& end : hooks_.take_ended()) happened("hook_ended", to_json(end));
}

void RunEvents::wait_for_hooks(StopSignals& signals) {
  const double limit = clock_.seconds() + hooks_seconds_ + kHookKillSeconds;
  for (tell_ended_hooks(); hooks_.are_running() && clock_.seconds() < limit; tell_ended_hooks()) {
    pollfd waiting{.fd = signals.fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, kTickMilliseconds);
    signals.take([this](bool) { hooks_.kill_all(); });
  }
}

}  // namespace holdfast
