#include "launch/chaos/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace holdfast {
namespace {

using nlohmann::json;

constexpr double kQuietSeconds = 2;     // after which nothing more is expected of a fault that does nothing
constexpr double kLongestSeconds = 60;  // after which a fault has not been noticed

const json* first(const std::vector<json>& lines, std::string_view event) {
  const auto line = std::find_if(lines.begin(), lines.end(), [event](const json& one) { return one.value("event", "") == event; });
  return line == lines.end() ? nullptr : &*line;
}

/// Of an attempt that ended by a rank.
bool is_caused_by(const Strike& strike, const json& ended, std::string_view flag) {
  const json& cause = ended.at("cause");
  if (!cause.is_object() || !strike.ranks.contains(cause.at("rank").get<int>())) return false;
  const bool is_hung = cause.at("is_hung").get<bool>(), is_shim_lost = cause.at("is_shim_lost").get<bool>();
  if (flag == "is_hung") return is_hung;
  if (flag == "is_shim_lost") return is_shim_lost;
  return !is_hung && !is_shim_lost && cause.at("signal") == strike.signal;
}

bool is_called_right(const Strike& strike, const json& ended, const std::vector<json>& lines) {
  const std::string reason = ended.value("reason", "");
  switch (strike.fault->effect) {
    case Effect::rank_dies: return is_caused_by(strike, ended, "");
    case Effect::rank_hangs: return is_caused_by(strike, ended, "is_hung");
    case Effect::shim_is_lost: return is_caused_by(strike, ended, "is_shim_lost");
    case Effect::launcher_dies: return first(lines, "launcher_ended") != nullptr && reason.starts_with("mpirun was ended by signal");
    case Effect::ranks_stop: return reason.starts_with("the ranks stopped after a checkpoint");
    case Effect::run_stops: return reason.starts_with("stopped on request");
    default: return false;
  }
}

}  // namespace

std::optional<Attribution> judge(const Strike& strike, const std::vector<json>& lines, double seconds) {
  const json* ended = first(lines, "attempt_ended");
  switch (strike.fault->effect) {
    case Effect::supervisor_dies:
      if (const json* started = first(lines, "run_started"); started && !ended) return Attribution{true, "the next supervisor goes on"};
      break;
    case Effect::launcher_continues:
      if (!ended && first(lines, "launcher_stopped")) return Attribution{true, "mpirun was stopped, and is continued"};
      break;
    case Effect::nothing:
      if (!ended && seconds > kQuietSeconds) return Attribution{true, "nothing has happened"};
      break;
    default: break;
  }
  if (ended) return Attribution{is_called_right(strike, *ended, lines), ended->value("reason", "")};
  if (seconds > kLongestSeconds) return Attribution{false, fmt::format("nothing was noticed for {:.0f} s", seconds)};
  return std::nullopt;
}

bool is_going_on(const Strike& strike, const std::vector<json>& lines) {
  const Effect effect = strike.fault->effect;
  const bool is_over = first(lines, "done") != nullptr;
  return is_over || effect == Effect::nothing || effect == Effect::launcher_continues || first(lines, "resumed") != nullptr;
}

std::vector<int> attempts_that_fell_back(const std::vector<json>& lines) {
  std::map<int, std::int64_t> durable;
  std::vector<int> attempts;
  for (const json& line : lines) {
    const std::string event = line.value("event", "");
    if (event == "attempt_started") durable[line.at("attempt").get<int>()] = line.at("durable_step").get<std::int64_t>();
    if (event != "resumed") continue;
    const auto newest = durable.find(line.at("attempt").get<int>());
    if (newest != durable.end() && line.at("step").get<std::int64_t>() < newest->second) attempts.push_back(newest->first);
  }
  return attempts;
}

}  // namespace holdfast
