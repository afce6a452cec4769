// Whether the run directory is one and the same on every host: puts the steps of shared_files.h in order, and each host's answers
// together. Every step has its time limit; a host that misses one takes no further part.
#pragma once

#include <map>
#include <vector>

#include "launch/doctor/facts.h"
#include "launch/doctor/host_links.h"

namespace holdfast {

/// By host; each of `hosts` has an entry, or the first alone where it cannot make the directory. The first of them makes `directory` (and
/// its parents), takes the lock, and removes it in the end.
std::map<int, SharingFacts> check_sharing(HostLinks& links, const std::vector<int>& hosts, const Path& directory, const std::string& text);

/// The last step: when nobody needs the directory any more.
void remove_shared_directory(HostLinks& links, int host, const Path& directory);

}  // namespace holdfast
