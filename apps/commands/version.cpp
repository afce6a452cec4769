#include "apps/commands/version.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/exit_code.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {
namespace {

/// The first line that `command` prints, or `otherwise`.
std::string first_line(const char* command, const char* otherwise) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command, "r"), &::pclose);
  char line[256] = "";
  if (!pipe || !std::fgets(line, sizeof line, pipe.get())) return otherwise;
  std::string text = line;
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

int print_versions() {
  fmt::print("Holdfast {}\ncheckpoint format {}\nLibTorch {}\nHDF5 {}\n{}\n", HOLDFAST_VERSION, kFormatVersion, HOLDFAST_TORCH_VERSION,
             HOLDFAST_HDF5_VERSION, first_line("mpirun --version 2>/dev/null", "no mpirun on PATH"));
  return kExitOk;
}

}  // namespace holdfast
