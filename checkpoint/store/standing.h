// What the policy of a run had decided by one of its states, held against what lies on disk now: where a start, and `holdfast ckpt
// repair`, go on from. Reads only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "checkpoint/policy/policy.h"

namespace holdfast {

struct Standing {
  PolicyState state;
  std::vector<std::string> wrong_names;  // on disk, of states that are gone, or that a kill has left: to be removed
  std::vector<std::string> notes;        // what of the record counts no more, such as names of states that retention has removed since
  std::vector<std::string> warnings;
};

/// What the policy had decided by the checkpoint `from`; nothing where that cannot be read, which `warnings` tells then.
std::optional<PolicyState> recorded_by(FileSystem& files, const Path& from, std::vector<std::string>& warnings);

/// `from`: the checkpoint whose record counts, the run's own `resumed` or another run's; none of them: a run that begins.
Standing standing_of(FileSystem& files, const Path& checkpoints, const std::vector<CheckpointOptions>& policy,
                     std::optional<CheckpointName> resumed, const std::optional<Path>& from);

}  // namespace holdfast
