// What a person sees of a supervised run: log lines, and below them a bar where stdout is a terminal.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "launch/output.h"
#include "launch/restart_policy.h"

namespace holdfast {

class Display {
 public:
  /// Draws on the open file descriptor `fd`; no call waits for whoever reads.
  Display(int fd, bool is_terminal) : output_(fd), fd_(fd), is_terminal_(is_terminal) {}
  ~Display() { clear(); }
  /// A line above the bar.
  void line(const std::string& text);
  /// Whether one of the lines of the last moments has the first line of `text` in it.
  bool has_just_shown(const std::string& text) const;
  /// Redraws the bar from rank 0's status (the fields of the shim's status message).
  void status(const nlohmann::json& status, int attempt, int restarts);
  /// Takes the bar away.
  void clear();

 private:
  Output output_;
  int fd_;
  bool is_terminal_;
  std::string bar_;
  std::deque<std::string> recent_;
};

/// The table at the end: attempts with their causes, steps computed twice, wall time. `reached_before`: by a supervisor that was killed.
std::string summary_table(const std::vector<AttemptOutcome>& outcomes, const RestartDecision& decision, std::int64_t reached_before,
                          double seconds, const nlohmann::json& done);

}  // namespace holdfast
