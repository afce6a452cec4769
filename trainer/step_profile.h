// Where the time of a few steps goes: seconds by section, and a Chrome trace with every operation (chrome://tracing, Perfetto), by
// LibTorch's profiler. Training thread only.
#pragma once

#include <ATen/record_function.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/section.h"
#include "options/run_options.h"

namespace holdfast {

/// Of one rank.
struct StepTimes {
  std::map<std::string, double> seconds;  // a step, by the name of the section; "between steps" is the rest
  double waiting_seconds = 0;             // a step, of these: in collectives, for the other ranks and for the bytes
};

class StepProfile {
 public:
  /// `sections`: whose time in collectives is looked at. `trace`: the file that is written.
  StepProfile(const ProfileOptions& options, const Clock& clock, const SectionTracker& sections, FileSystem& files, Path trace);
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  /// A step begins.
  void begin_step();
  /// The step goes on in another section.
  void enter(Section section) { note(std::string(name_of(section))); }
  /// The step is over. True once: it was the last that is measured, and the trace is written (a failure to write it is logged).
  bool end_step();
  /// The run ends here. True: fewer steps than were wanted have been measured, and the trace of those is written.
  bool end_early();
  const StepTimes& times() const { return times_; }
  /// Steps that `times` are means of.
  std::int64_t measured() const { return begun_ - options_.after_steps; }

 private:
  void note(std::string name);
  void begin();
  void end();

  ProfileOptions options_;
  const Clock& clock_;
  const SectionTracker& sections_;
  FileSystem& files_;
  Path trace_;
  std::int64_t begun_ = 0;  // steps
  bool is_measuring_ = false;
  StepTimes times_;
  std::string name_;
  double since_ = 0, waited_before_ = 0;
  std::unique_ptr<at::RecordFunction> span_;
};

/// The table: a row for each rank in milliseconds a step.
std::string table_of(const std::vector<StepTimes>& ranks, std::int64_t steps);

}  // namespace holdfast
