// Where Open MPI keeps the files of an attempt: its sockets and the shared memory between the ranks of a host. mpirun removes
// them when it ends in peace; one that was killed does not, and they are memory. So each attempt gets a directory of its own.
#pragma once

#include <map>
#include <string>

#include "base/file_system.h"

namespace holdfast {

/// Whether the attempt before is over, or uses its directory still.
enum class Before { over, runs };

/// On another host than the supervisor's, where the same directory is wanted: makes it, and removes what earlier attempts of the run have
/// left there. Every shim of the host may call it. Throws StorageError.
void enter_session_directory(FileSystem& files, const Path& session, Before before);

/// What tells Open MPI of it.
std::map<std::string, std::string> session_variables(const Path& directory);

class SessionDirectory {
 public:
  /// The directory of `attempt` of the run in `run`: under /dev/shm, or where there is none under the system's temporary
  /// directory. What earlier attempts of the run have left is removed, whoever supervised them, but not that of the attempt before where
  /// that one `runs`. Throws StorageError.
  SessionDirectory(FileSystem& files, const Path& run, int attempt, Before before = Before::over);
  /// Removes it, whatever is in it; never throws.
  ~SessionDirectory();
  SessionDirectory(const SessionDirectory&) = delete;
  SessionDirectory& operator=(const SessionDirectory&) = delete;

  std::map<std::string, std::string> variables() const { return session_variables(path_); }
  const Path& path() const { return path_; }

 private:
  FileSystem& files_;
  Path path_;
};

}  // namespace holdfast
