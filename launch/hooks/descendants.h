// Ending all processes that descend from this one, by who is whose child: other than what launch/attempt/sweep.h looks at, no process can
// shed that as long as this one adopts orphans.
#pragma once

#include <cstddef>
#include <set>

#include <sys/types.h>

namespace holdfast {

/// From now on processes whose parents die become children of this one, not of the system's first.
void adopt_orphans();

/// Kills what descends from this process, but for its children in `spared` and theirs; how many there were. Needs adopt_orphans().
std::size_t kill_descendants_but(const std::set<pid_t>& spared);

/// Kills and reaps them until none is left or `seconds` have passed; true: none is left. Needs adopt_orphans().
bool end_descendants(double seconds);

}  // namespace holdfast
