// The names of states on disk: links checkpoints/ENTRY/NAME -> ../step-00000100, where NAME may have directories of its own. Rank 0.
// They can be lost at any time and are made again from the manifest of what a run goes on from; so nothing here is synced.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"

namespace holdfast {

struct NameLink {
  std::string path;    // below checkpoints/: "best/epoch=3"
  std::string target;  // likewise: "step-00000100", "abandoned-2/step-00000100"
};

/// All of them. What lies in the directories of states is not looked at.
std::vector<NameLink> list_names(FileSystem& files, const Path& checkpoints);
/// Makes the link, or lets it point elsewhere, in one step.
void point_name(FileSystem& files, const Path& checkpoints, const NameLink& link);
/// Removes it, and the directories that it leaves empty. Not there: fine.
void remove_name(FileSystem& files, const Path& checkpoints, const std::string& path);

}  // namespace holdfast
