#include "checkpoint/store/names.h"

#include "base/error.h"
#include "checkpoint/format/layout.h"

namespace holdfast {
namespace {

constexpr const char* kPendingLink = ".pending";

/// Calls visit(path below checkpoints/, its last part) for every link in the directories of entries.
template <class Visit>
void for_each_link(FileSystem& files, const Path& checkpoints, const std::string& below, const Visit& visit) {
  for (const std::string& name : files.list(below.empty() ? checkpoints : checkpoints / below)) {
    if (below.empty() && !is_entry_directory(name)) continue;
    const std::string path = below.empty() ? name : below + "/" + name;
    const FileKind kind = files.kind(checkpoints / path);
    if (kind == FileKind::directory) for_each_link(files, checkpoints, path, visit);
    if (kind == FileKind::link && !below.empty()) visit(path, name);
  }
}

std::string target_of(const NameLink& link) {
  std::string target = link.target;
  for (Path below = Path(link.path).parent_path(); !below.empty(); below = below.parent_path()) target.insert(0, "../");
  return target;
}

}  // namespace

std::vector<NameLink> list_names(FileSystem& files, const Path& checkpoints) {
  std::vector<NameLink> links;
  for_each_link(files, checkpoints, "", [&](const std::string& path, const std::string& name) {
    if (name == kPendingLink) return;
    std::optional<std::string> target = link_target(files, checkpoints / path);
    if (!target) return;
    while (target->starts_with("../")) target->erase(0, 3);
    links.push_back({path, *target});
  });
  return links;
}

std::vector<std::string> list_unfinished_names(FileSystem& files, const Path& checkpoints) {
  std::vector<std::string> paths;
  for_each_link(files, checkpoints, "", [&](const std::string& path, const std::string& name) {
    if (name == kPendingLink) paths.push_back(path);
  });
  return paths;
}

bool is_right(FileSystem& files, const Path& checkpoints, const NameLink& link) {
  return link_target(files, checkpoints / link.path) == target_of(link);
}

void point_name(FileSystem& files, const Path& checkpoints, const NameLink& link) {
  if (is_right(files, checkpoints, link)) return;
  const Path path = checkpoints / link.path, temporary = path.parent_path() / kPendingLink;
  make_directories(files, path.parent_path());
  files.remove_file(temporary);
  files.make_link(target_of(link), temporary);
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
