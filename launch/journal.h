// journal.jsonl: what the supervisor knew and did, one JSON object a line, on the disk before it acts. docs/journal.md lists
// the lines.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file_system.h"

namespace holdfast {

class Journal {
 public:
  /// Appends to `path`. `meanwhile` is called every few milliseconds while the device takes its time: leases must not break over
  /// a busy disk. Throws StorageError.
  Journal(const Path& path, const Clock& clock, std::function<void()> meanwhile = {});
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// When a line has to be on the device: before anything is done about it, or, where nothing is, with the next one.
  enum class Durability { now, with_next_line };
  /// Adds "event", "time" (UTC) and "unix_seconds" to `fields`; returns when the line is on the device, if it has to be. Throws
  /// StorageError.
  void write(const std::string& event, nlohmann::json fields, Durability durability = Durability::now);

  /// The lines of a journal; a torn last line is left out. None when there is no file.
  static std::vector<nlohmann::json> read(const Path& path);
  /// The number of the newest attempt; 0: none yet.
  static int newest_attempt(const std::vector<nlohmann::json>& lines);

 private:
  Path path_;
  const Clock& clock_;
  std::function<void()> meanwhile_;
  int fd_;
};

}  // namespace holdfast
