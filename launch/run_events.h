// What happens to a run, told to all who want to know: the journal, on the disk before anything is done about it; people, where there is a
// line for them; the commands of `hooks:`. Only the supervisor's thread may call it.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "checkpoint/format/layout.h"
#include "launch/display.h"
#include "launch/hooks/hooks.h"
#include "launch/journal.h"
#include "launch/stop_signals.h"

namespace holdfast {

class RunEvents {
 public:
  /// `meanwhile`: as Journal has it. Where there are hooks it forks: call while single-threaded. Throws StorageError.
  RunEvents(const RunLayout& layout, const HooksOptions& hooks, const Clock& clock, std::function<void()> meanwhile);

  /// One of the events of docs/journal.md. `line`: for people; empty: what the event says by itself, if it does. Throws StorageError.
  void happened(const std::string& event, const nlohmann::json& fields, const std::string& line = "",
                Journal::Durability durability = Journal::Durability::now);
  /// Of hooks that have ended since the last call.
  void tell_ended_hooks();
  /// The run ends by an error of the supervisor itself, such as a journal that cannot be written: hooks are told in any case.
  void broke_off(const std::string& error, int exit_code);
  /// After the end, until no hook runs: not longer than their time limit, and whoever asks for an end now does not want to wait for them.
  void wait_for_hooks(StopSignals& signals);
  Display& display() { return display_; }

 private:
  std::string line_of(const std::string& event, const nlohmann::json& fields) const;

  const Clock& clock_;
  Path hooks_log_;
  double hooks_seconds_;
  Journal journal_;
  Hooks hooks_;  // before there are threads
  Display display_;
};

}  // namespace holdfast
