// What a simulated run has on disk: states, and the names that point to them. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoint/policy/policy.h"
#include "checkpoint/policy/trace.h"

namespace holdfast {

struct SimulatedCounters {
  std::int64_t batches = 0, steps = 0, epochs = 0;  // consumed, completed, finished
  double minutes = 0;
};

class SimulatedDisk {
 public:
  struct Saved {
    SimulatedCounters counters;
    Position position;
    PolicyState recorded = {};  // as the manifest has it
  };
  struct Resumed {
    bool is_start = true;                 // from nothing
    std::optional<CheckpointName> state;  // among the run's own; none: set aside, or nothing
    PolicyState recorded;
    SimulatedCounters counters;
    Position position;
  };

  /// After a decision: the new state, the names that have changed, what is gone.
  void apply(const PolicyState& before, const Decision& decision, const Saved& here);
  /// What `from` of a resume means: none | last | best | best:ENTRY | ENTRY/NAME | step-N. Throws ConfigError.
  Resumed find(const TraceEvent& event, const PolicyState& state, const std::vector<CheckpointOptions>& policy) const;
  /// Moves what is later than `resumed` away (none: everything), as the engine does.
  PolicyState take_over(const std::vector<CheckpointOptions>& policy, const std::optional<PolicyState>& recorded,
                        std::optional<CheckpointName> resumed, const std::string& other_run, std::vector<std::string>& notes);
  /// A person removes a name and its state.
  void remove(const TraceEvent& event);
  nlohmann::json to_json() const;

 private:
  std::map<CheckpointName, Saved> states_;
  std::map<std::string, std::map<std::string, std::string>> names_;  // by entry: what points where, from checkpoints/
  std::map<std::string, Saved> abandoned_;                           // by path below checkpoints/
  int attempts_ = 1;
};

}  // namespace holdfast
