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

/// All of them. What lies in the directories of states is not looked at. Others may make and remove names meanwhile.
std::vector<NameLink> list_names(FileSystem& files, const Path& checkpoints);
/// Paths of links that point_name() has made and not moved to their names.
std::vector<std::string> list_unfinished_names(FileSystem& files, const Path& checkpoints);
/// Whether the link is there and points where it should.
bool is_right(FileSystem& files, const Path& checkpoints, const NameLink& link);
/// Makes the link, or lets it point elsewhere, in one step.
void point_name(FileSystem& files, const Path& checkpoints, const NameLink& link);
/// Removes it, and the directories that it leaves empty. Not there: fine.
void remove_name(FileSystem& files, const Path& checkpoints, const std::string& path);

}  // namespace holdfast
