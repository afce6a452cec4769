#include "base/file_system.h"

#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"

namespace holdfast {

std::string read_text(FileSystem& files, const Path& path) {
  const auto file = files.open(path);
  std::string text(file->size(), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

void write_text_durably(FileSystem& files, const Path& path, std::string_view text) {
  const Path temporary = path.string() + fmt::format(".tmp-{}", ::getpid());
  if (files.kind(temporary) != FileKind::none) files.remove_file(temporary);
  const auto file = files.create(temporary);
  file->write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  file->sync();
  file->close();
  files.rename_over(temporary, path);
  files.sync_directory(path.parent_path());
}

void make_directories(FileSystem& files, const Path& path) {
  if (path.empty()) return;
  const FileKind kind = files.kind(path);
  if (kind == FileKind::directory || kind == FileKind::link) return;
  make_directories(files, path.parent_path());
  files.make_directory(path);
  files.sync_directory(path.parent_path());
}

std::optional<std::string> link_target(FileSystem& files, const Path& path) {
  if (files.kind(path) != FileKind::link) return std::nullopt;
  try {
    return files.read_link(path);
  } catch (const StorageError&) {
    if (files.kind(path) == FileKind::link) throw;
    return std::nullopt;
  }
}

void remove_tree(FileSystem& files, const Path& path) {
  switch (files.kind(path)) {
    case FileKind::none: return;
    case FileKind::directory:
      for (const std::string& name : files.list(path)) remove_tree(files, path / name);
      files.remove_directory(path);
      return;
    default: files.remove_file(path);
  }
}

}  // namespace holdfast
