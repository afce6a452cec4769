#include "checkpoint/store/commit.h"

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/store/names.h"

namespace holdfast {
namespace {

constexpr const char* kPendingLast = "last.pending";

}  // namespace

void prepare_pending(FileSystem& files, const Path& checkpoints, const std::string& pending) {
  make_directories(files, checkpoints);
  remove_tree(files, checkpoints / pending);
  files.make_directory(checkpoints / pending);
}

void write_manifest(FileSystem& files, const Path& directory, const std::string& manifest_text) {
  const auto file = files.create(directory / kManifestName);
  file->write_at(0, std::as_bytes(std::span(manifest_text.data(), manifest_text.size())));
  file->sync();
  file->close();
  files.sync_directory(directory);
}

void commit_pending(FileSystem& files, const Path& checkpoints, const std::string& pending, const CheckpointName& name,
                    const std::string& manifest_text) {
  const Path directory = checkpoints / pending;
  write_manifest(files, directory, manifest_text);
  const Path committed = checkpoints / directory_name(name);
  files.rename_new(directory, committed);
  try {
    files.sync_directory(checkpoints);
  } catch (const StorageError&) {
    // What is said to have failed must not be there: the next save of this step needs the name.
    files.rename_new(committed, directory);
    throw;
  }
}

void point_last_to(FileSystem& files, const Path& checkpoints, const CheckpointName& name) {
  const Path temporary = checkpoints / kPendingLast;
  files.remove_file(temporary);
  files.make_link(directory_name(name), temporary);
  files.rename_over(temporary, checkpoints / kLastLink);
  files.sync_directory(checkpoints);
}

void retire(FileSystem& files, const Path& checkpoints, const CheckpointName& name) {
  const Path doomed = checkpoints / deleting_name(name);
  remove_tree(files, doomed);
  if (files.kind(checkpoints / directory_name(name)) == FileKind::none) return;  // renamed the last time, and gone only now
  files.rename_new(checkpoints / directory_name(name), doomed);
  files.sync_directory(checkpoints);  // or a loss of power could leave half of it under its name
  remove_tree(files, doomed);
}

std::vector<std::string> list_leftovers(FileSystem& files, const Path& checkpoints) {
  std::vector<std::string> leftovers = list_unfinished_names(files, checkpoints);
  for (const std::string& name : files.list(checkpoints))
    if (is_leftover(name) || name == kPendingLast) leftovers.push_back(name);
  return leftovers;
}

void remove_leftover(FileSystem& files, const Path& checkpoints, const std::string& path) {
  if (files.kind(checkpoints / path) == FileKind::directory)
    remove_tree(files, checkpoints / path);
  else
    remove_name(files, checkpoints, path);
}

void sweep_leftovers(FileSystem& files, const Path& checkpoints) {
  for (const std::string& path : list_leftovers(files, checkpoints)) {
    log_info("removing {}, which a kill has left behind", (checkpoints / path).string());
    remove_leftover(files, checkpoints, path);
  }
}

void abandon(FileSystem& files, const Path& checkpoints, const CheckpointName& name, const std::string& abandoned, const std::string& why) {
  const Path directory = checkpoints / abandoned;
  make_directories(files, directory);  // on the disk first: what is moved into it must not go with it
  files.rename_new(checkpoints / directory_name(name), directory / directory_name(name));
  files.sync_directory(directory);
  files.sync_directory(checkpoints);
  log_warning("moved {} to {}: {}", directory_name(name), directory.string(), why);
}

}  // namespace holdfast
