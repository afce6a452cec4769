#include "trainer/plugins/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <memory>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/crash_notice.h"
#include "base/error.h"
#include "base/file_system.h"
#include "trainer/plugins/plugin_record.h"
#include "trainer/thrown.h"

namespace holdfast {
namespace {

constexpr std::string_view kOwnRecord = holdfast_plugin_record;
// Not constexpr: with -fsanitize=undefined g++ 12 does not take the address of the record for a constant.
const std::string_view kFirstLine = kOwnRecord.substr(0, kOwnRecord.find('\n') + 1);
constexpr std::string_view kCompiler = "compiler ";  // the line that may differ
constexpr const char* kBuildAgain =
    "build it again with the headers and the LibTorch that find_package(Holdfast) gives for this program (docs/your-own-task.md)";

std::string attempted(const std::string& plugin) { return "load the plugin " + plugin; }

std::string bytes_of(const std::string& plugin) {
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  try {
    return read_text(*files, plugin);
  } catch (const StorageError& error) {
    throw ConfigError(
        ErrorText{.attempted = attempted(plugin),
                  .cause = error.what(),
                  .next = "give the path of the built library; a relative one starts in the directory of the configuration's file"});
  }
}

/// Its lines without the first.
std::vector<std::string> facts_of(std::string_view record) {
  std::vector<std::string> lines;
  std::istringstream text{std::string(record.substr(kFirstLine.size()))};
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> without_compiler(std::vector<std::string> facts) {
  std::erase_if(facts, [](const std::string& fact) { return fact.starts_with(kCompiler); });
  return facts;
}

}  // namespace

void require_built_like_this(const std::string& plugin) {
  const std::string bytes = bytes_of(plugin);
  const std::vector<std::string> own = facts_of(kOwnRecord);
  std::size_t at = bytes.find(kFirstLine);
  if (at == std::string::npos)
    throw ConfigError(ErrorText{.attempted = attempted(plugin),
                                .expected = fmt::format("a record of what it was built with ({})", fmt::join(own, "; ")),
                                .found = "none",
                                .cause = "it is no plugin, or of a Holdfast that wrote none; trainer/registry.h brings the record",
                                .next = kBuildAgain});
  for (; at != std::string::npos; at = bytes.find(kFirstLine, at + 1)) {  // several where debug information repeats it
    const std::vector<std::string> found = facts_of(std::string_view(bytes.data() + at));
    if (without_compiler(found) == without_compiler(own)) continue;
    throw ConfigError(ErrorText{.attempted = attempted(plugin),
                                .expected = fmt::format("one built with {}", fmt::join(own, "; ")),
                                .found = fmt::format("one built with {}", fmt::join(found, "; ")),
                                .next = kBuildAgain});
  }
}

void* open_plugin(const std::string& plugin, const char* symbol) {
  void* library = ::dlopen(plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw ConfigError(ErrorText{.attempted = attempted(plugin), .cause = ::dlerror(), .next = kBuildAgain});
  void* entry = ::dlsym(library, symbol);
  if (!entry)
    throw ConfigError(ErrorText{.attempted = attempted(plugin),
                                .expected = fmt::format("the entry point `extern \"C\" void {}(holdfast::Registry&)`", symbol),
                                .found = "none"});
  return entry;
}

void call_plugin(const std::string& plugin, const std::string& what, Heartbeat* heartbeat, const std::function<void()>& call) {
  const std::string doing = fmt::format("{} of the plugin {}", what, plugin);
  const CrashNotice notice("in " + doing, heartbeat);
  try {
    call();
  } catch (const Error&) {
    throw;
  } catch (...) {
    throw Error(to_string({.attempted = doing, .cause = words_of(std::current_exception())}), kExitSoftware);
  }
}

}  // namespace holdfast
