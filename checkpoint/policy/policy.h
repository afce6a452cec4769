// When a run saves, what it calls the state, and what it removes for it: one pure function of the options, of what was decided
// before, and of what has just happened. The trainer and `holdfast ckpt simulate` run the same code. No files, no ranks, no clock.
// After Lightning's ModelCheckpoint (top_k, names, save_last) and the Hugging Face Trainer (limit, only_best); docs/retention.md
// says where it differs from them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/policy/policy_state.h"
#include "options/run_options.h"
#include "options/steps.h"

namespace holdfast {

/// How an entry chooses what stays.
struct Choice {
  enum class By { score, age } by = By::age;
  std::int64_t count = 0;  // -1: all
};
Choice choice_of(const CheckpointOptions& options);
/// Whether it can only save a state at which `monitor` was measured.
bool must_be_measured(const CheckpointOptions& options);

enum class Interruption { none, signal, exception };

/// A place between two batches at which the state can be saved, and what has happened since the one before.
struct Boundary {
  Position position;
  StepEvent step{};
  bool has_validated = false;
  Interruption interruption = Interruption::none;
  std::map<std::string, double> metrics = {};  // measured at this very state
  double minutes = 0;                          // of training since the beginning of the run
};

/// What an entry of `checkpoints:` makes of a boundary; entries that nothing concerns are left out.
struct EntryDecision {
  std::string entry;
  std::vector<std::string> names;    // that it gives the state; none: it does not want it
  std::vector<std::string> removed;  // names that it gives up
  std::string why;
  bool is_warning = false;
};

/// What becomes of the state, or of its weights alone: two directories, which stay and go apart from each other.
struct StateDecision {
  bool saves = false;                   // some entry has a name for it
  bool is_new = true;                   // it is not on disk yet: it has to be written
  CheckpointName name;                  // what it is called
  std::vector<std::string> savers;      // the entries
  std::vector<std::string> transforms;  // copies of its weights that are written with it, each once
  bool writes() const { return saves && is_new; }
};

struct Decision {
  StateDecision whole, weights;
  std::vector<EntryDecision> entries;
  PolicyState next;  // once what is new is committed; where nothing is written, at once
  bool saves() const { return whole.saves || weights.saves; }
  bool writes() const { return whole.writes() || weights.writes(); }
};

/// Whether decide() could save: cheap, and the same on every rank, whatever only rank 0 knows. `is_time_up`: an entry's every_minutes.
bool may_save(const std::vector<CheckpointOptions>& policy, const Boundary& boundary, bool is_time_up);

Decision decide(const std::vector<CheckpointOptions>& policy, const PolicyState& before, const Boundary& boundary);

/// True when an entry's every_minutes have passed since it last asked for a save.
bool is_time_up(const std::vector<CheckpointOptions>& policy, const PolicyState& state, double minutes);

/// The best, the worst that top_k holds (null until it holds that many) of what an entry keeps. Null: none, or it has not been ranked by
/// what `options` ranks by.
const NamedState* best_of(const CheckpointOptions& options, const EntryState& entry);
const NamedState* kth_of(const CheckpointOptions& options, const EntryState& entry);

/// What a run goes on from, or nothing.
struct TakeOver {
  const std::optional<PolicyState>& recorded;             // of the checkpoint
  std::optional<CheckpointName> resumed;                  // if it is this run's own
  std::string other_run;                                  // else: the checkpoints/ that it lies in
  std::vector<CheckpointName> present;                    // committed states on disk, after later ones were moved away
  std::map<std::string, std::vector<std::string>> names;  // by entry, those on disk that name none of `present`
};
/// Whether a run that goes on from `resumed` has not come to `state` yet, so that it is in the way. `recorded`: what `resumed` knows of.
bool is_later(const CheckpointName& state, const CheckpointName& resumed, const std::optional<PolicyState>& recorded);
/// `notes`: what a person should know.
PolicyState take_over(const std::vector<CheckpointOptions>& policy, const TakeOver& from, std::vector<std::string>& notes);

}  // namespace holdfast
