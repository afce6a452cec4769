// The commands of `hooks:`, run beside the supervisor when something happens. None of them can hold the supervisor up, nor change
// anything about the run: a process of its own (hook_runner.h), forked before there are threads, starts them, watches them and kills
// them; this one only sends what happened and reads how they have ended. Only the supervisor's thread may call it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "launch/hooks/hook_end.h"
#include "options/run_options.h"

namespace holdfast {

class Hooks {
 public:
  /// `log`: where it is written what they print. Where there are hooks it forks: call while single-threaded.
  Hooks(const HooksOptions& options, const Path& run_directory, const Path& log);
  /// All that still run are killed, with what they have started, and their ends told to nobody.
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  /// A line of the journal; starts the command that is meant for it. Does not wait.
  void happened(const std::string& event, const nlohmann::json& fields);
  /// Those that have ended since the last call. Does not wait.
  std::vector<HookEnd> take_ended();
  bool are_running() const { return !running_.empty(); }
  /// Kills all of them; take_ended() tells of them as of others.
  void kill_all();

 private:
  void attempt_ended(const nlohmann::json& fields);
  void run_ended(const std::string& end, const nlohmann::json& fields);
  void fire(const std::string& hook, nlohmann::json record);
  /// Empty: it was sent.
  std::string send(const std::string& message) const;

  const HooksOptions options_;
  const Path run_directory_;
  int socket_ = -1;  // to the runner; -1: there are no hooks
  int fired_ = 0, attempts_ = 0;
  std::map<int, std::string> running_;  // by number: the hook's name
  std::vector<HookEnd> refused_;
  nlohmann::json newest_end_;  // the journal's attempt_ended
  bool is_end_told_ = true;    // to on_failure
};

}  // namespace holdfast
