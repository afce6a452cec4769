#include "apps/commands/checkpoint/changing.h"

#include <fmt/format.h>

#include "apps/commands/checkpoint/targets.h"
#include "base/error.h"
#include "checkpoint/format/given_path.h"
#include "checkpoint/format/layout.h"

namespace holdfast {

Path directory_to_change(FileSystem& files, const Path& path, const std::string& command) {
  const Path directory = checkpoints_directory(files, path);
  if (directory.empty())
    throw DataError(ErrorText{.attempted = fmt::format("{} the checkpoints in {}", command, path.string()),
                              .expected = "a run directory with checkpoints/, or that directory",
                              .found = found_at(files, path, "neither")});
  if (is_set_aside(std::filesystem::weakly_canonical(directory).filename().string()))
    throw UsageError(fmt::format("holdfast ckpt {}: {} is what a run goes on without\n  next: remove it as a whole if you like", command,
                                 directory.string()));
  return directory;
}

std::unique_ptr<RunLock> lock_against_training(FileSystem& files, const Path& path, const std::string& command) {
  const std::string purpose = command + " the checkpoints of";
  if (checkpoints_directory(files, path) == RunLayout{path}.checkpoints())
    return std::make_unique<RunLock>(RunLayout{path}.lock(), "", purpose);
  const RunLayout run{std::filesystem::weakly_canonical(path).parent_path()};
  return run.checkpoints() == std::filesystem::weakly_canonical(path) ? std::make_unique<RunLock>(run.lock(), "", purpose) : nullptr;
}

}  // namespace holdfast
