#include "launch/session_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/host.h"
#include "base/log.h"

namespace holdfast {

void enter_session_directory(FileSystem& files, const Path& session) {
  const std::string name = session.filename().string();
  const std::string prefix = name.substr(0, name.rfind('-') + 1);
  for (const std::string& other : files.list(session.parent_path()))
    if (other.starts_with(prefix) && other != name) try {
        remove_tree(files, session.parent_path() / other);
      } catch (const StorageError&) {
        continue;  // the shim beside this one removes it, too
      }
  files.make_directory(session);
}

SessionDirectory::SessionDirectory(FileSystem& files, const Path& run, int attempt) : files_(files) {
  const Path parent = memory_directory();
  const std::string prefix = fmt::format("holdfast-{}-{}-", ::geteuid(), to_hex(digest_of(run.string())).substr(0, 12));
  for (const std::string& name : files.list(parent))
    if (name.starts_with(prefix)) remove_tree(files, parent / name);
  path_ = parent / fmt::format("{}{}", prefix, attempt);
  files.make_directory(path_);
}

SessionDirectory::~SessionDirectory() {
  try {
    remove_tree(files_, path_);
  } catch (const Error& error) {
    log_warning("{} stays: {}", path_.string(), error.what());
  }
}

std::map<std::string, std::string> SessionDirectory::variables() const {
  return {{"OMPI_MCA_orte_tmpdir_base", path_.string()},
          {"PRTE_MCA_prte_tmpdir_base", path_.string()},  // what Open MPI 5 calls it
          {"OMPI_MCA_btl_vader_backing_directory", path_.string()}};
}

}  // namespace holdfast
