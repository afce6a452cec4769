#include <fmt/format.h>

#include <cstring>

#include "base/program.h"
#include "checkpoint/format/hdf5_version.h"
#include "launch/doctor/gather.h"

namespace holdfast {

VersionFacts gather_versions(const Path& trainer, double seconds) {
  VersionFacts facts;
  facts.holdfast = HOLDFAST_VERSION;
  facts.hdf5 = hdf5_version();
  const ProgramEnd end = run_program({trainer.string(), "--probe", "versions"}, {.seconds = seconds, .takes_errors = true});
  const std::string last_line = end.output.substr(end.output.rfind('\n', end.output.empty() ? 0 : end.output.size() - 2) + 1);
  const auto said = nlohmann::json::parse(last_line, nullptr, /*allow_exceptions=*/false);
  if (end.start_error != 0) {
    facts.error = fmt::format("cannot run {}: {}", trainer.string(), std::strerror(end.start_error));
  } else if (!end.was_in_time) {
    facts.error = fmt::format("{} did not answer within {:.0f} s", trainer.string(), seconds);
  } else if (end.exit_code != 0 || !said.is_object()) {
    facts.error = end.output.empty() ? fmt::format("{} exited with code {}", trainer.string(), end.exit_code) : end.output;
    while (facts.error.ends_with('\n')) facts.error.pop_back();
  } else {
    facts.trainer = said.value("holdfast", "");
    facts.libtorch = said.value("libtorch", "");
    facts.mpi = said.value("mpi", "");
    facts.instruction_set = said.value("instruction_set", "");
    facts.build = said.value("build", "");
  }
  return facts;
}

}  // namespace holdfast
