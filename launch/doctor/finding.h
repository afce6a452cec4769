// What the doctor says of one thing that it has looked at: a line of its table. Pure data.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace holdfast {

enum class Level { ok, warning, failure };
constexpr const char* name_of(Level level) { return level == Level::ok ? "ok" : level == Level::warning ? "warning" : "failure"; }

struct HostFinding {
  Level level = Level::ok;
  std::string check;      // "launch", "versions", …: the same word for the same thing, whatever was found
  std::string found;      // what was found, with the hosts that it was found on
  std::string next = {};  // what to do; empty where all is well
};

inline Level worst(const std::vector<HostFinding>& findings) {
  Level level = Level::ok;
  for (const HostFinding& finding : findings) level = std::max(level, finding.level);
  return level;
}

}  // namespace holdfast
