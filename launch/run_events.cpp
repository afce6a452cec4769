#include "launch/run_events.h"

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/same_texts.h"
#include "launch/hosts/own_addresses.h"
#include "launch/restart_policy.h"
#include "launch/shim/exit_record.h"

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

void RunEvents::happened(const std::string& event, const nlohmann::json& fields, const std::string& line, Journal::Durability durability) {
  journal_.write(event, fields, durability);
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
    std::vector<int> ranks;
    for (const nlohmann::json& culprit : fields.at("culprits")) ranks.push_back(culprit.at("rank").get<int>());
    const nlohmann::json& first = fields.at("culprits").at(0);
    return fmt::format("{} in section {} of step {}; the stacks are taken, then all ranks are started again",
                       ranks.size() == 1 ? fmt::format("rank {} hangs", ranks[0])
                                         : fmt::format("{} do not get on, each inside the same collective,", numbered("rank", ranks)),
                       first.at("section").get<std::string>(), first.at("step").get<std::int64_t>());
  }
  if (event == "attempt_ended" && fields.at("decision") == name_of(RestartDecision::Kind::restart)) {
    // Nothing was said of a death that no rank explains; and only now it is known who it was, where all were in one collective.
    const nlohmann::json& cause = fields.at("cause");
    if (fields.contains("behind"))
      return fmt::format("{}; on the device {}", fields.at("reason").get<std::string>(), fields.at("behind").get<std::string>());
    if (cause.is_null() || cause.at("is_hung").get<bool>()) return fields.at("reason");
  }
  if (event == "host_lost") return fields.at("error");
  if (event == "hook_ended" && !fields.at("error").get<std::string>().empty())
    return fmt::format("hook {} failed: {}; the run is not affected, {} has what it printed", fields.at("hook").get<std::string>(),
                       fields.at("error").get<std::string>(), hooks_log_.string());
  return {};
}

void RunEvents::broke_off(const std::string& error, int exit_code) {
  const nlohmann::json fields = {{"exit_code", exit_code}, {"reason", error}};
  try {
    journal_.write("gave_up", fields);
  } catch (const Error&) {
    // It may be just what the run ends of.
  }
  hooks_.happened("gave_up", fields);
}

void RunEvents::tell_ended_hooks() {
  for (const HookEnd& end : hooks_.take_ended()) happened("hook_ended", to_json(end));
}

void RunEvents::wait_for_hooks(StopSignals& signals) {
  const double limit = clock_.seconds() + hooks_seconds_ + kHookKillSeconds;
  const auto tell = [this] {
    try {
      tell_ended_hooks();
    } catch (const Error&) {
      // The run has ended, and how is told: a journal that takes no more changes nothing about it.
    }
  };
  for (tell(); hooks_.are_running() && clock_.seconds() < limit; tell()) {
    pollfd waiting{.fd = signals.fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, kTickMilliseconds);
    signals.take([this](bool) { hooks_.kill_all(); });
  }
}

}  // namespace holdfast
