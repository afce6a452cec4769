// What an entry of `checkpoints:` has no room for: the rule of its top_k or limit, apart from any save. Pure.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/policy/policy.h"

namespace holdfast {

/// Among the kept: the earliest of the worst; names.size(): none is kept.
std::size_t worst_kept(Mode mode, const std::vector<NamedState>& names);
std::int64_t count_kept(const std::vector<NamedState>& names);

/// Of the kept, those beyond the `most` best, the worst first.
std::vector<CheckpointName> beyond_best(Mode mode, std::vector<NamedState> names, std::int64_t most);
/// Of the kept, those beyond the `most` newest, oldest first. `best` (may be null) is not among them, but counts.
std::vector<CheckpointName> beyond_newest(const std::vector<NamedState>& names, std::int64_t most, const NamedState* best);

/// "the best 2 are kept"
std::string rule_of(const CheckpointOptions& options);

/// What the entries keep if each gives up what it has no room for now. An entry that the policy does not have keeps all, and so does
/// one whose scores are not comparable. States that no entry names any more are still among `states`.
PolicyState without_excess(const std::vector<CheckpointOptions>& policy, PolicyState state);

}  // namespace holdfast
