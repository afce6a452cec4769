// A plugin as a file: what it was built with, its entry point, and calls into it that name it whatever they end with. Not what it
// registers: that is trainer/registry.h. The thread that sets a run up calls all of this.
#pragma once

#include <functional>
#include <string>

#include "base/heartbeat.h"

namespace holdfast {

/// Reads from the file, before any code of it runs, what it was built with. Throws ConfigError: no such file, no record, or built with
/// another Holdfast, LibTorch or standard library than this program.
void require_built_like_this(const std::string& plugin);

/// dlopen (RTLD_NOW | RTLD_LOCAL, never closed) and its `symbol`. Throws ConfigError.
void* open_plugin(const std::string& plugin, const char* symbol);

/// Runs `call`, which is code of `plugin`; `what` is being done. While it runs, a CrashNotice says so. An exception that no code of
/// Holdfast has made becomes an Error (exit code 70) that says so, too; an Error passes as it is: it has its own place and cause.
void call_plugin(const std::string& plugin, const std::string& what, Heartbeat* heartbeat, const std::function<void()>& call);

}  // namespace holdfast
