// The commands below `holdfast ckpt`, each in a file of its own. `words` are those after the command's name; they return the exit
// code, and throw UsageError and Error. None needs more than the directory it is given, which may be a copy, or of a run that trains.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

using Words = std::vector<std::string>;

int list_checkpoints_command(const Words& words);
int show_checkpoint_command(const Words& words);
/// 65: damage found.
int verify_checkpoints_command(const Words& words);
/// 1: they differ; 65: damage found.
int diff_checkpoints_command(const Words& words);
int export_checkpoint_command(const Words& words);
/// 69: a run trains there.
int prune_checkpoints_command(const Words& words);
/// Likewise.
int repair_checkpoints_command(const Words& words);

}  // namespace holdfast
