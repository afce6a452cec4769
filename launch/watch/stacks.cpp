#include "launch/watch/stacks.h"

#include <cxxabi.h>
#include <elfutils/libdwfl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "base/process_files.h"
#include "base/text_file.h"

namespace holdfast {
namespace {

constexpr int kMostFrames = 64;
constexpr const char* kFunctionMark = " in ";

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 && text ? text.get() : name;
}

/// What is written of one thread.
struct ThreadDump {
  std::FILE* file;
  int frames = 0;
};

int write_frame(Dwfl_Frame* frame, void* argument) {
  ThreadDump& dump = *static_cast<ThreadDump*>(argument);
  Dwarf_Addr address = 0;
  bool is_activation = false;
  if (!dwfl_frame_pc(frame, &address, &is_activation)) return DWARF_CB_ABORT;
  Dwfl_Module* module = dwfl_addrmodule(dwfl_thread_dwfl(dwfl_frame_thread(frame)), address);
  // A return address may lie behind the end of the function that has made the call.
  const char* name = module ? dwfl_module_addrname(module, is_activation ? address : address - 1) : nullptr;
  const char* library = module ? dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr) : nullptr;
  fmt::print(dump.file, "  #{:<2} {:#018x}{}{} ({})\n", dump.frames, address, kFunctionMark, name ? demangled(name) : "?",
             library ? library : "?");
  return ++dump.frames < kMostFrames ? DWARF_CB_OK : DWARF_CB_ABORT;
}

int write_thread(Dwfl_Thread* thread, void* argument) {
  auto* file = static_cast<std::FILE*>(argument);
  const pid_t thread_id = dwfl_thread_tid(thread);
  const std::string directory = fmt::format("/proc/{}/task/{}/", dwfl_pid(dwfl_thread_dwfl(thread)), thread_id);
  fmt::print(file, "thread {} {}", thread_id, text_of_file(directory + "comm"));
  ThreadDump dump{.file = file};
  if (dwfl_thread_getframes(thread, &write_frame, &dump) < 0 && dump.frames == 0)
    fmt::print(file, "  its stack cannot be read: {}\n", dwfl_errmsg(-1));
  std::fflush(file);
  return DWARF_CB_OK;
}

void write_threads(pid_t pid, std::FILE* file) {
  static char* no_debug_path = nullptr;
  static const Dwfl_Callbacks callbacks{.find_elf = &dwfl_linux_proc_find_elf,
                                        .find_debuginfo = &dwfl_standard_find_debuginfo,
                                        .section_address = nullptr,
                                        .debuginfo_path = &no_debug_path};
  const std::unique_ptr<Dwfl, void (*)(Dwfl*)> session(dwfl_begin(&callbacks), &dwfl_end);
  const bool is_attached = session && dwfl_linux_proc_report(session.get(), pid) == 0 &&
                           dwfl_report_end(session.get(), nullptr, nullptr) == 0 && dwfl_linux_proc_attach(session.get(), pid, false) == 0;
  if (!is_attached || dwfl_getthreads(session.get(), &write_thread, file) < 0)
    fmt::print(file, "its stacks cannot be read: {}\n", dwfl_errmsg(-1));
}

}  // namespace

std::string state_of_process(pid_t pid) {
  constexpr std::string_view kKey = "State:\t";
  const std::string status = process_file(pid, "status");
  const std::size_t at = status.find(kKey);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + kKey.size();
  return status.substr(begin, status.find('\n', begin) - begin);
}

bool write_stacks(pid_t pid, const Path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "we"), &std::fclose);
  if (!file) return false;
  fmt::print(file.get(), "process {}: state {}\n", pid, state_of_process(pid));
  if (const std::string kernel = process_file(pid, "stack"); !kernel.empty()) fmt::print(file.get(), "in the kernel:\n{}", kernel);
  std::fflush(file.get());
  write_threads(pid, file.get());
  return std::ferror(file.get()) == 0;
}

std::string function_name(std::string_view signature) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)::", kCall = "operator()";
  std::string name;
  int depth = 0;  // of template arguments and of what names a lambda
  for (std::size_t at = 0; at < signature.size(); ++at) {
    const std::string_view rest = signature.substr(at);
    if (rest.starts_with(kAnonymous)) {
      at += kAnonymous.size() - 1;
    } else if (depth == 0 && rest.starts_with(kCall)) {
      return name + std::string(kCall);
    } else if (rest[0] == '<' || rest[0] == '{') {
      ++depth;
    } else if (rest[0] == '>' || rest[0] == '}') {
      --depth;
    } else if (depth == 0 && rest[0] == '(') {
      return name;
    } else if (depth == 0) {
      name += rest[0];
    }
  }
  return name;
}

std::string innermost_functions(const Path& stacks, std::size_t count) {
  std::ifstream file(stacks);
  std::string line, text;
  while (std::getline(file, line) && !line.starts_with("thread ")) continue;
  for (std::size_t found = 0; found < count && std::getline(file, line) && !line.starts_with("thread ");) {
    const std::size_t mark = line.find(kFunctionMark), end = line.rfind(" (");
    if (mark == std::string::npos || end == std::string::npos || end <= mark) continue;
    const std::size_t begin = mark + std::string_view(kFunctionMark).size();
    const std::string name = function_name(std::string_view(line).substr(begin, end - begin));
    if (name == "?") continue;
    text += (text.empty() ? "" : " < ") + name;
    ++found;
  }
  return text;
}

}  // namespace holdfast
