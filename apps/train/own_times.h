// Where no shim reads the times of a rank, the rank leaves them itself, however it ends short of a crash.
#pragma once

#include "base/clock.h"
#include "base/environment.h"
#include "base/host.h"
#include "base/section.h"
#include "base/times_file.h"
#include "checkpoint/format/layout.h"

namespace holdfast {

class OwnTimes {
 public:
  /// Throws StorageError.
  OwnTimes(FileSystem& files, const RunLayout& layout, int rank, const SectionTracker& sections) : sections_(sections), rank_(rank) {
    const int attempt = environment::get_number(environment::kAttempt, 1);
    make_directories(files, layout.attempt_logs(attempt));
    path_ = layout.rank_times(attempt, rank);
  }
  ~OwnTimes() {
    const SystemClock clock;
    const std::optional<TimeRecord> times = read_times(sections_.times(), clock.seconds());
    if (times) write_times_file(path_, {rank_, host_name(), clock.unix_seconds(), true, *times});
  }
  OwnTimes(const OwnTimes&) = delete;
  OwnTimes& operator=(const OwnTimes&) = delete;

 private:
  const SectionTracker& sections_;
  int rank_;
  Path path_;
};

}  // namespace holdfast
