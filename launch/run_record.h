// What a run directory says of its run: the newest durable step, whether it is done, which injected faults have struck. Read
// anew with every call; never written here. One thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "checkpoint/format/layout.h"

namespace holdfast {

class RunRecord {
 public:
  RunRecord(FileSystem& files, RunLayout layout) : files_(files), layout_(std::move(layout)) {}

  /// Remembers what is there now: an old DONE record and old faults explain nothing of the attempt that begins.
  void begin_attempt(int attempt);
  /// The newest committed checkpoint; -1: none.
  std::int64_t durable_step() const;
  /// True when the attempt that has begun has written a DONE record. (A rank writes one whenever it finds the run finished.)
  bool is_done() const;
  /// DONE.json; an empty object when there is none.
  nlohmann::json done() const;
  /// The injected fault that struck `rank` in this attempt and has not been asked for yet; null: none.
  nlohmann::json take_injected_fault(int rank);

 private:
  std::vector<std::string> fired_faults() const;
  FileSystem& files_;
  RunLayout layout_;
  int attempt_ = 0;
  nlohmann::json done_before_;
  std::set<std::size_t> faults_seen_;  // lines of the record, by number
};

}  // namespace holdfast
