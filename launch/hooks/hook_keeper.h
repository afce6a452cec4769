// Runs one command of `hooks:` to its end, in a process that does nothing else: what it gets lies in memory, what it prints is read
// slowly and cut off, and with the command, whose end may come by itself, by the time limit or with the supervisor, everything ends
// that descends from it, whatever session, process group or environment that has given itself.
#pragma once

#include <string>

#include "launch/hooks/hook_end.h"
#include "launch/hooks/hook_runner.h"

namespace holdfast {

/// Blocks. `record`: a line for its standard input. What it printed is appended to the plan's log. Does not throw.
HookEnd keep_hook(const HookPlan& plan, const std::string& hook, const std::string& record) noexcept;

}  // namespace holdfast
