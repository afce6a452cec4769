// How a command of `hooks:` has ended, and as JSON between the process that has run it and the supervisor.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace holdfast {

struct HookEnd {
  std::string hook;  // "on_failure"
  int exit_code = 0;
  int signal = 0;
  double seconds = 0;
  std::string error = {};  // in words; empty: it went well
};

inline nlohmann::json to_json(const HookEnd& end) {
  return {{"hook", end.hook}, {"exit_code", end.exit_code}, {"signal", end.signal}, {"seconds", end.seconds}, {"error", end.error}};
}

inline HookEnd hook_end_from_json(const nlohmann::json& json) {
  return {json.at("hook"), json.at("exit_code"), json.at("signal"), json.at("seconds"), json.at("error")};
}

}  // namespace holdfast
