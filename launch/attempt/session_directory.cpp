#include "launch/attempt/session_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/host.h"
#include "base/log.h"

namespace holdfast {

namespace {

/// ".../holdfast-0-4a6f…-" of ".../holdfast-0-4a6f…-3"
std::string name_of_run(const Path& session) {
  const std::string name = session.filename().string();
  return name.substr(0, name.rfind('-') + 1);
}

std::vector<Path> of_earlier_attempts(FileSystem& files, const Path& session, Before before) {
  const std::string run = name_of_run(session), kept = run + std::to_string(std::atoi(session.filename().c_str() + run.size()) - 1);
  std::vector<Path> found;
  for (const std::string& name : files.list(session.parent_path()))
    if (name.starts_with(run) && name != session.filename() && (before == Before::over || name != kept))
      found.push_back(session.parent_path() / name);
  return found;
}

}  // namespace

void enter_session_directory(FileSystem& files, const Path& session, Before before) {
  for (const Path& other : of_earlier_attempts(files, session, before)) try {
      remove_tree(files, other);
    } catch (const StorageError&) {
      continue;  // the shim beside this one removes it, too
    }
  files.make_directory(session);
}

SessionDirectory::SessionDirectory(FileSystem& files, const Path& run, int attempt, Before before)
    : files_(files),
      path_(memory_directory() / fmt::format("holdfast-{}-{}-{}", ::geteuid(), to_hex(digest_of(run.string())).substr(0, 12), attempt)) {
  for (const Path& other : of_earlier_attempts(files, path_, before)) remove_tree(files, other);
  files.make_directory(path_);
}

SessionDirectory::~SessionDirectory() {
  try {
    remove_tree(files_, path_);
  } catch (const Error& error) {
    log_warning("{} stays: {}", path_.string(), error.what());
  }
}

std::map<std::string, std::string> session_variables(const Path& directory) {
  return {{"OMPI_MCA_orte_tmpdir_base", directory.string()},
          {"PRTE_MCA_prte_tmpdir_base", directory.string()},  // what Open MPI 5 calls it
          {"OMPI_MCA_btl_vader_backing_directory", directory.string()}};
}

}  // namespace holdfast
