#include "apps/commands/version.h"

#include <fmt/format.h>

#include <string>

#include "base/exit_code.h"
#include "base/program.h"
#include "checkpoint/format/manifest.h"

namespace holdfast {
namespace {

std::string mpi_version() {
  constexpr double kSeconds = 10;
  const ProgramEnd end = run_program({"mpirun", "--version"}, {.seconds = kSeconds, .takes_errors = true});
  return end.is_good() ? end.output.substr(0, end.output.find('\n')) : "no mpirun on PATH";
}

}  // namespace

int print_versions() {
  fmt::print("Holdfast {}\ncheckpoint format {}\nLibTorch {}\nHDF5 {}\n{}\n", HOLDFAST_VERSION, kFormatVersion, HOLDFAST_TORCH_VERSION,
             HOLDFAST_HDF5_VERSION, mpi_version());
  return kExitOk;
}

}  // namespace holdfast
