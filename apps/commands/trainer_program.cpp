#include "apps/commands/trainer_program.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/program.h"

namespace holdfast {
namespace {

[[noreturn]] void refuse(const std::string& attempted, int error) {
  const bool is_missing = error == ENOENT;
  throw Error(
      to_string({.attempted = attempted,
                 .cause = std::strerror(error),
                 .next = is_missing ? "build it with `bash scripts/build.sh`; it knows the sizes of the model and of the data" : ""}),
      is_missing ? kExitUsage : kExitSoftware);
}

}  // namespace

TrainerAnswer ask_trainer(const std::filesystem::path& trainer, const std::vector<std::string>& arguments) {
  const std::string attempted = fmt::format("run {} {}", trainer.string(), arguments.empty() ? "" : arguments.front());
  std::vector<std::string> words = {trainer.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  ProgramEnd end = run_program(std::move(words));
  if (end.start_error != 0) refuse(attempted, end.start_error);
  if (end.signal != 0)
    throw Error(to_string({.attempted = attempted, .found = fmt::format("its death by signal {}", end.signal)}), kExitSoftware);
  return {.exit_code = end.exit_code, .output = std::move(end.output)};
}

}  // namespace holdfast
