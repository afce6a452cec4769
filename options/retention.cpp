#include "options/retention.h"

#include <algorithm>

namespace holdfast {

std::vector<std::size_t> states_to_delete(const std::vector<CheckpointOptions>& policy, const std::vector<StoredState>& states) {
  std::vector<bool> is_kept(states.size(), false), is_known(states.size(), false);
  for (const CheckpointOptions& entry : policy) {
    std::int64_t left = entry.keep_last;
    for (std::size_t i = states.size(); i-- > 0;) {
      const auto& names = states[i].entries;
      if (std::find(names.begin(), names.end(), entry.name) == names.end()) continue;
      is_known[i] = true;
      if (entry.keep_last < 0 || left-- > 0) is_kept[i] = true;
    }
  }
  std::vector<std::size_t> doomed;
  for (std::size_t i = 0; i + 1 < states.size(); ++i)
    if (is_known[i] && !is_kept[i] && !states[i].is_protected) doomed.push_back(i);
  return doomed;
}

}  // namespace holdfast
