// Which states stay: a pure function of the policy and of what is there. A state stays while any entry keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options/run_options.h"

namespace holdfast {

/// A committed state, and the entries of `checkpoints:` that asked for it.
struct StoredState {
  std::int64_t step = 0;
  int version = 0;
  std::vector<std::string> entries;
  bool is_protected = false;  // never deleted: what the run resumed from
};

/// The indices in `states` (oldest first) that no entry keeps. The newest state is never among them, nor is a protected one.
/// A state whose entries are all unknown (the configuration changed) is kept.
std::vector<std::size_t> states_to_delete(const std::vector<CheckpointOptions>& policy, const std::vector<StoredState>& states);

}  // namespace holdfast
