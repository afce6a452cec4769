// Whether a run called a fault by its name: a pure function of what struck it and of what its journal says since.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "launch/chaos/fault.h"

namespace holdfast {

struct Attribution {
  bool is_right = false;
  std::string reason;  // what the journal says
};

/// `lines`: of the journal since the strike, oldest first. `seconds`: since the strike. nullopt: it cannot be told yet.
std::optional<Attribution> judge(const Strike& strike, const std::vector<nlohmann::json>& lines, double seconds);

/// True when the run trains on after the strike: at once where nothing was to happen, else when the next attempt has read its state.
bool is_going_on(const Strike& strike, const std::vector<nlohmann::json>& lines);

/// Of the attempts that `lines` tell of whole: those that went on from an older state than the newest durable one.
std::vector<int> attempts_that_fell_back(const std::vector<nlohmann::json>& lines);

}  // namespace holdfast
