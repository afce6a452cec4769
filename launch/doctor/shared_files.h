// What one host does in the run directory so that the others can see it, and what it sees of theirs: the questions by which the doctor
// finds out whether the directory is one and the same everywhere. Each is a small step; the doctor puts them in order (sharing.h).
// Names hold the number of the host that made them. Blocks as long as the file system does.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file_system.h"

namespace holdfast {

class SharedFiles {
 public:
  /// `directory` is there already, or is not shared: then every step fails, which is an answer too.
  SharedFiles(Path directory, int host) : directory_(std::move(directory)), host_(host) {}
  ~SharedFiles();
  SharedFiles(const SharedFiles&) = delete;
  SharedFiles& operator=(const SharedFiles&) = delete;

  /// Writes its file, with fsync, in which `text` is; makes a link to it.
  void write(const std::string& text);
  /// Gives its file the other name, and the link, by renaming a new one over it, a new target.
  void rename();
  void remove();
  /// True when it got the lock (and keeps it until it is told to remove its files).
  bool lock();

  /// What each of `hosts` has done: "written", "renamed" or "removed". Waits up to `seconds` for it; returns what is not so, the first
  /// thing, or nothing; and whether links lead where they should.
  struct Seen {
    std::string problem;
    int made_by = 0;  // the host whose file it is
    double seconds = 0;
    bool follows_links = true;
  };
  Seen look(const std::string& state, const std::vector<int>& hosts, const std::string& text, double seconds) const;

 private:
  Path file(int host) const { return directory_ / ("written-" + std::to_string(host)); }
  Path renamed(int host) const { return directory_ / ("renamed-" + std::to_string(host)); }
  Path link(int host) const { return directory_ / ("link-" + std::to_string(host)); }
  std::string problem_with(int host, const std::string& state, const std::string& text) const;
  bool follows_link(int host, const std::string& state) const;

  Path directory_;
  int host_;
  int lock_ = -1;
};

}  // namespace holdfast
