#include "apps/commands/checkpoint/targets.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "checkpoint/format/given_path.h"
#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

bool holds_checkpoints(FileSystem& files, const Path& directory) {
  const std::vector<std::string> names = files.list(directory);
  return std::any_of(names.begin(), names.end(), [](const std::string& name) { return parse_directory_name(name) || is_leftover(name); });
}

/// Without a slash at its end. Where the name is a link, "." or "..": under the name that it stands for now.
Path name_proper(FileSystem& files, const Path& path) {
  const Path named = path.has_filename() ? path : path.parent_path();
  const bool stands_for_another = files.kind(named) == FileKind::link || named.filename() == "." || named.filename() == "..";
  return stands_for_another ? std::filesystem::weakly_canonical(named) : named;
}

}  // namespace

Path checkpoints_directory(FileSystem& files, const Path& path) {
  const Path below = RunLayout{path}.checkpoints();
  if (std::filesystem::is_directory(below)) return below;
  return std::filesystem::is_directory(path) && holds_checkpoints(files, path) ? path : Path();
}

Targets checkpoints_of(FileSystem& files, const Path& path) {
  if (std::filesystem::is_regular_file(path))
    throw DataError(ErrorText{.attempted = "look for checkpoints in " + path.string(),
                              .expected = "the directory of a checkpoint or of a run",
                              .found = "a file",
                              .next = "name the directory that it lies in"});
  const Path named = name_proper(files, path);
  if (files.kind(named / kManifestName) != FileKind::none) return {.directory = named.parent_path(), .checkpoints = {named}};
  Targets found{.directory = checkpoints_directory(files, named), .checkpoints = {}, .is_whole_directory = true};
  if (!found.directory.empty())
    for (const CheckpointName& name : list_all_checkpoints(files, found.directory))
      found.checkpoints.push_back(found.directory / directory_name(name));
  if (!found.checkpoints.empty()) return found;
  throw DataError(no_checkpoint_at(files, path, "look for checkpoints in " + path.string()));
}

Path newest_of(FileSystem& files, const Path& path) {
  const std::vector<Path> found = checkpoints_of(files, path).checkpoints;
  const auto newest = std::find_if(found.rbegin(), found.rend(), [](const Path& checkpoint) {
    const auto name = parse_directory_name(checkpoint.filename().string());
    return !name || !name->is_weights;
  });
  return newest == found.rend() ? found.back() : *newest;
}

void require_readable(const Path& checkpoint) {
  const auto require = [](const Path& path) {
    if (::access(path.c_str(), R_OK) != 0 && errno == EACCES)
      throw StorageError(ErrorText{.attempted = "read " + path.string(),
                                   .cause = std::strerror(EACCES),
                                   .next = "read it as the user whose run it is, or let that user give access to it"});
  };
  namespace fs = std::filesystem;
  std::error_code missing;  // the run has removed it meanwhile
  for (fs::recursive_directory_iterator at(checkpoint, fs::directory_options::skip_permission_denied, missing), end; !missing && at != end;
       at.increment(missing))
    require(at->path());
}

bool is_there(FileSystem& files, const Path& checkpoint) { return files.kind(checkpoint) != FileKind::none; }

void throw_gone(const Path& checkpoint) {
  throw DataError(ErrorText{.attempted = "read " + checkpoint.string(),
                            .expected = "a checkpoint that stays while it is read",
                            .found = "it is gone: the run has removed it meanwhile",
                            .next = "name the run directory, which stands for the newest, or copy the checkpoint first"});
}

}  // namespace holdfast
