// What `ckpt verify` has found, remembered for `ckpt list`. The record is this user's own, in the cache directory, not beside the
// checkpoints: verify may read what somebody else owns, what is mounted read-only and what a run is working on; and a record that lay
// there would be copied along with files that nobody has read since. It counts for a directory at its place as long as its files are
// those that were read: same names, sizes, inodes, times of last change.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/file_system.h"

namespace holdfast {

struct Verdict {
  bool is_sound = false;
  double unix_seconds = 0;
  std::string finding = {};  // the first one
};

/// A digest over what tells whether any file of a checkpoint, its transformed copies included, was changed. Empty: it cannot be told.
std::string stamp_of(const Path& checkpoint);

/// Of the checkpoints in one directory.
class Verdicts {
 public:
  /// Reads the record; one that is missing or makes no sense is an empty one.
  Verdicts(FileSystem& files, const Path& directory);
  std::optional<Verdict> find(const Path& checkpoint) const;
  /// `stamp`: taken before it was read. Forgets those that are gone.
  void remember(const Path& checkpoint, const std::string& stamp, const Verdict& verdict);
  /// Throws StorageError.
  void save() const;

 private:
  struct Record {
    std::string stamp;
    Verdict verdict;
  };
  FileSystem& files_;
  Path directory_;                         // canonical
  Path file_;                              // empty: this user has no cache directory
  std::map<std::string, Record> records_;  // by the checkpoint's name
};

}  // namespace holdfast
