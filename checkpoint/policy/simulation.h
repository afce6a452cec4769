// A policy held against a made-up run: the decisions of decide() and take_over(), and what they would leave on disk.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoint/policy/policy.h"
#include "checkpoint/policy/trace.h"
#include "options/run_options.h"

namespace holdfast {

/// `policy`, `validation`: of a configuration, as they are before fractions are made steps. Returns
///   {"events": [{"line", "event", "epoch", "batch", "step", "decisions": [{"entry", "names", "removed", "why", "is_warning"}],
///                "notes": [...], "removed_states": [...], "disk": {...}}],
///    "directories": {NAME: {"states": [...], "names": {ENTRY: {NAME: STATE}}}},
///    "entries": {ENTRY: {"best": {"name", "state", "score"} or null, "kth": likewise, "last": likewise, "kept": [likewise]}}}
/// where "disk" is as in "directories". Only events from which something follows are listed. Throws ConfigError.
nlohmann::json simulate(const std::vector<CheckpointOptions>& policy, const ValidationOptions& validation,
                        const std::vector<TraceEvent>& trace);

}  // namespace holdfast
