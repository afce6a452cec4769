#include "checkpoint/store/names.h"

#include <algorithm>

#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

constexpr const char* kPendingLink = ".pending";

void collect(FileSystem& files, const Path& checkpoints, const std::string& below, std::vector<NameLink>& links) {
  for (const std::string& name : files.list(checkpoints / below)) {
    const std::string path = below + "/" + name;
    const FileKind kind = files.kind(checkpoints / path);
    if (kind == FileKind::directory) collect(files, checkpoints, path, links);
    if (kind != FileKind::link || name == kPendingLink) continue;
    std::string target = files.read_link(checkpoints / path);
    while (target.starts_with("../")) target.erase(0, 3);
    links.push_back({path, target});
  }
}

}  // namespace

std::vector<NameLink> list_names(FileSystem& files, const Path& checkpoints) {
  std::vector<NameLink> links;
  for (const std::string& name : files.list(checkpoints))
    if (is_entry_directory(name) && files.kind(checkpoints / name) == FileKind::directory) collect(files, checkpoints, name, links);
  return links;
}

void point_name(FileSystem& files, const Path& checkpoints, const NameLink& link) {
  const Path path = checkpoints / link.path, temporary = path.parent_path() / kPendingLink;
  std::string target = link.target;
  for (Path below = Path(link.path).parent_path(); !below.empty(); below = below.parent_path()) target.insert(0, "../");
  if (files.kind(path) == FileKind::link && files.read_link(path) == target) return;
  make_directories(files, path.parent_path());
  files.remove_file(temporary);
  files.make_link(target, temporary);
  files.rename_over(temporary, path);
}

void remove_name(FileSystem& files, const Path& checkpoints, const std::string& path) {
  files.remove_file(checkpoints / path);
  for (Path below = Path(path).parent_path(); !below.empty(); below = below.parent_path()) {
    if (files.kind(checkpoints / below) != FileKind::directory || !files.list(checkpoints / below).empty()) return;
    files.remove_directory(checkpoints / below);
  }
}

}  // namespace holdfast
