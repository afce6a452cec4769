// One entry of `checkpoints:` at one boundary. Part of decide().
#pragma once

#include <string>

#include "checkpoint/policy/policy.h"

namespace holdfast {

class EntryPolicy {
 public:
  /// `entry` is changed to what it is once `state` is committed.
  EntryPolicy(const CheckpointOptions& options, EntryState& entry, const CheckpointName& state, const Boundary& boundary,
              const std::optional<CheckpointName>& resumed)
      : options_(options), entry_(entry), state_(state), boundary_(boundary), resumed_(resumed) {}

  EntryDecision decide();

 private:
  std::string why_due() const;
  bool is_measured() const { return options_.monitor.empty() || boundary_.metrics.contains(options_.monitor); }
  bool is_named() const;
  bool is_new_best() const;
  /// Takes the state among what the entry keeps, or says why not.
  void rank(const std::string& due);
  bool rank_by_score(const std::string& due);
  void rank_by_age(const std::string& due);
  void save_final();
  void save_interrupted();
  void save_last();
  /// Gives the state a name that no other state of the entry has.
  void add(Slot slot, const std::string& name_template);
  /// Takes these from what the entry keeps. What the run goes on from keeps its name while no other state needs it.
  void give_up(const std::vector<CheckpointName>& states);
  void say(const std::string& text);

  const CheckpointOptions& options_;
  EntryState& entry_;
  CheckpointName state_;
  const Boundary& boundary_;
  const std::optional<CheckpointName>& resumed_;
  EntryDecision decision_;
};

}  // namespace holdfast
