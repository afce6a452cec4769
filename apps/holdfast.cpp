// holdfast COMMAND: everything but the training itself. Loads neither LibTorch nor MPI.
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "apps/commands/chaos.h"
#include "apps/commands/checkpoint.h"
#include "apps/commands/config.h"
#include "apps/commands/doctor.h"
#include "apps/commands/new.h"
#include "apps/commands/report.h"
#include "apps/commands/run.h"
#include "apps/commands/submit.h"
#include "apps/commands/version.h"
#include "base/error.h"
#include "base/log.h"
#include "launch/shim/shim.h"

namespace holdfast {
namespace {

constexpr const char* kUsage =
    "usage: holdfast COMMAND [arguments]\n\n"
    "  run CONFIG -n RANKS      train under supervision: restarts after failures, to the same bits\n"
    "  doctor [CONFIG]          whether the hosts are fit for it, and what to do where they are not\n"
    "  report RUN               where its time went, its failures, checkpoints and slowest ranks; --html for pictures\n"
    "  ckpt list RUN            what checkpoints a run has, and what keeps them\n"
    "  ckpt show CHECKPOINT     what is in one\n"
    "  ckpt verify CHECKPOINT   whether it is sound; names shard, dataset and block of any damage\n"
    "  ckpt diff A B            whether two hold the same values\n"
    "  ckpt export PATH OUTPUT  its tensors for other programs\n"
    "  ckpt prune RUN           removes what nothing keeps\n"
    "  ckpt repair RUN          removes what was never committed, makes names again\n"
    "  ckpt simulate P T        what a policy would keep of a made-up run\n"
    "  config check CONFIG      whether a configuration is right\n"
    "  config plan CONFIG       what a run will do: updates, validations, saves, bytes\n"
    "  config show CONFIG       a configuration with every default filled in\n"
    "  config reference         every key there is\n"
    "  submit CONFIG            the script of a Slurm job that trains, or the job\n"
    "  chaos CONFIG -n RANKS    train under random faults, and compare\n"
    "  new NAME                 a project with a task of your own\n"
    "  rank -- COMMAND          the shim under which `run` starts each rank\n"
    "  --version                versions of Holdfast and its libraries\n\n"
    "holdfast COMMAND --help says more.\n";

int rank_command(const std::vector<std::string>& arguments) {
  const std::size_t first = !arguments.empty() && arguments[0] == "--" ? 1 : 0;
  if (arguments.size() <= first || arguments[first] == "--help") {
    fmt::print(
        "usage: holdfast rank -- COMMAND [arguments]\nRuns one rank under a shim: knows its death at once, keeps its log and its exit "
        "record, "
        "lets nothing of it survive. `holdfast run` starts it.\n");
    return arguments.size() > first ? kExitOk : kExitUsage;
  }
  return run_shim({arguments.begin() + static_cast<std::ptrdiff_t>(first), arguments.end()});
}

int dispatch(const std::vector<std::string>& words) {
  using Command = int (*)(const std::vector<std::string>&);
  const std::map<std::string, Command> commands = {{"run", run_command},         {"new", new_command},       {"report", report_command},
                                                   {"rank", rank_command},       {"chaos", chaos_command},   {"submit", submit_command},
                                                   {"ckpt", checkpoint_command}, {"config", config_command}, {"doctor", doctor_command}};
  if (words.empty() || words[0] == "--help" || words[0] == "-h") {
    fmt::print("{}", kUsage);
    return words.empty() ? kExitUsage : kExitOk;
  }
  if (words[0] == "--version") return print_versions();
  const auto command = commands.find(words[0]);
  if (command == commands.end()) throw UsageError(fmt::format("holdfast: unknown command '{}'\n  next: holdfast --help", words[0]));
  return command->second({words.begin() + 1, words.end()});
}

/// Whatever becomes of it: the code counts, also where the disk that takes the words is full.
void say(const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  try {
    set_up_log("holdfast");
    return dispatch({argv + 1, argv + argc});
  } catch (const Error& error) {
    say(error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    say(fmt::format("holdfast: {}", error.what()));
    return kExitSoftware;
  }
}
