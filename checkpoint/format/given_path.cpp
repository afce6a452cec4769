#include "checkpoint/format/given_path.h"

#include <fmt/format.h>

#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

bool leads_nowhere(FileSystem& files, const Path& path) { return files.kind(path) == FileKind::link && !std::filesystem::exists(path); }

bool is_folder(FileSystem& files, const Path& path) {
  std::error_code missing;
  const FileKind kind = files.kind(path);
  return kind == FileKind::directory || (kind == FileKind::link && std::filesystem::is_directory(path, missing));
}

/// The path itself or the nearest one above it that is a folder, as an absolute path.
Path nearest_folder(FileSystem& files, const Path& path) {
  Path folder = std::filesystem::absolute(path).lexically_normal();
  while (folder != folder.root_path() && !is_folder(files, folder)) folder = folder.parent_path();
  return folder;
}

}  // namespace

std::vector<Path> states_of(FileSystem& files, const Path& given) {
  Path path = std::filesystem::weakly_canonical(std::filesystem::absolute(given));
  if (!path.has_filename()) path = path.parent_path();  // "runs/a/" is "runs/a"
  const bool has_name_of_one = parse_directory_name(path.filename().string()).has_value() && files.kind(path) == FileKind::directory;
  if (files.kind(path / kManifestName) != FileKind::none || has_name_of_one) return {path};
  std::vector<Path> states;
  const Path checkpoints = RunLayout{path}.checkpoints();
  if (files.kind(checkpoints) == FileKind::none) return states;
  for (const CheckpointName& name : list_checkpoints(files, checkpoints)) states.push_back(checkpoints / directory_name(name));
  return states;
}

std::string found_at(FileSystem& files, const Path& path, const std::string& otherwise) {
  if (leads_nowhere(files, path)) return fmt::format("a link to {}, which is not there", files.read_link(path));
  return files.kind(path) == FileKind::none ? "nothing of that name" : otherwise;
}

ErrorText no_checkpoint_at(FileSystem& files, const Path& given, const std::string& attempted) {
  const Path path = given.has_filename() ? given : given.parent_path();
  std::string next = fmt::format("look below {}: a run directory has a folder {}", nearest_folder(files, path).string(),
                                 RunLayout{}.checkpoints().string());
  if (given.is_relative()) next += "; a relative path starts in the working directory, " + std::filesystem::current_path().string();
  if (leads_nowhere(files, path)) next = "`cp -rL` copies the state itself, where `cp -r` copies the link";
  return {.attempted = attempted,
          .expected = "a checkpoint, a transformed copy inside one, or a run directory with at least one state",
          .found = found_at(files, path, "none of them"),
          .next = next};
}

}  // namespace holdfast
