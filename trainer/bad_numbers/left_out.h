// What of the data the run leaves out, because an update made of it had bad numbers: a list in the run directory, beside what each state
// knows. It is on the disk before any rank goes on or ends, so that whatever is killed, an attempt that goes on from an older state leaves
// out the same. Training thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "dist/communicator.h"
#include "trainer/state/run_state.h"

namespace holdfast {

struct LeftOutEntry {
  SampleRange samples;
  std::int64_t step = 0;  // the update that was not made
  int rank = -1;          // whose numbers were bad; -1: of no rank alone
  std::string cause;
  bool is_rollback = false;
  int attempt = 1;
};

class LeftOut {
 public:
  LeftOut(Communicator& ranks, FileSystem& files, Path file) : ranks_(ranks), files_(files), file_(std::move(file)) {}

  /// Collective. Reads the file, before anything is changed for the attempt. Throws ConfigError where the file says no such thing,
  /// StorageError where it cannot be read, on every rank.
  void read();
  /// Collective. `oldest_attempt`: the file is of the run that begins, as far as attempts from this one on have written it; nullopt: it is
  /// not, and is removed. `of_state`: what the restored state has left out. Throws StorageError on every rank.
  void begin(std::optional<int> oldest_attempt, const std::vector<SampleRange>& of_state);
  /// The range that a batch is in which begins here.
  std::optional<SampleRange> at(std::int64_t samples_seen) const;
  /// Those that lie behind.
  std::vector<SampleRange> before(std::int64_t samples_seen) const;
  bool has_before(std::int64_t samples_seen) const { return !ranges_.empty() && ranges_.front().end <= samples_seen; }
  bool empty() const { return ranges_.empty(); }
  std::size_t size() const { return ranges_.size(); }
  /// How often the run has gone back.
  std::int64_t rollbacks() const;
  /// Collective. When it returns, the entry is on the disk. Throws StorageError on every rank.
  void add(const LeftOutEntry& entry);

 private:
  void take(SampleRange range);
  /// Collective. What it throws there is a StorageError on every rank.
  void on_rank_0(const std::function<void()>& change);
  Communicator& ranks_;
  FileSystem& files_;
  Path file_;
  std::vector<LeftOutEntry> entries_;  // of the file
  std::vector<SampleRange> ranges_;    // of the file and of the restored state, in order
};

}  // namespace holdfast
