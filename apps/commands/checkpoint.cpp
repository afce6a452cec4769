#include "apps/commands/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/commands/checkpoint/commands.h"
#include "apps/commands/simulate.h"
#include "base/error.h"

namespace holdfast {
namespace {

constexpr const char* kUsage = R"(usage: holdfast ckpt COMMAND PATH… [options]

Look (nothing is written; a run may train there meanwhile; copies will do, also of one checkpoint alone):
  list RUN                step, epoch, role, ranks, bytes, age, whether `verify` found it sound, metrics, what keeps it; oldest first
  show PATH [--stats]     position, state, environment, and the tensors: dtype, shape, shard and byte where each begins
                            --stats       min, max, mean and number of NaN as well: reads everything
  verify PATH             reads everything and checks it; exit code 65 and shard, dataset, block and byte of any damage
  diff A B [--verify]     whether two hold the same values, whatever the world sizes; exit code 1 when they differ. Compares the
                          digests in the manifests and reads only what differs; 65 when that is damaged
                            --verify      reads every byte of both first; 65 when one is damaged anywhere
  export PATH OUTPUT      the model's tensors as the new file OUTPUT, whose ending tells the format: .safetensors, .h5
                            --format F    safetensors, hdf5, or numpy: a directory of .npy files
                            --all         every tensor
                            --weights T   those of the transformed copy T, such as an average

Tidy up (exit code 69 while a run trains there; a kill in the middle leaves everything loadable):
  prune RUN               removes what the run's own policy does not keep. Never: the newest, what `last` points to, what the run
                          went on from, what its manifests do not know. Verifies the newest first
                            --policy F    another policy: a configuration, or a file with `checkpoints:` alone
                            --keep-last N, --keep-every N, --keep STEP…
                                          instead of a policy: the N newest, steps that are a multiple of N, these steps
                            --dry-run     says what would go, and why
  repair RUN              removes what was never committed, makes the entries' names and `last` again from the newest manifest
                            --dry-run     says what would be done

Try out:
  simulate POLICY.yaml TRACE.jsonl
                          what a policy would save, name and remove in a made-up run (docs/retention.md)

--json: the same as JSON, for every command but export. PATH is a checkpoint, or a run directory: then its newest checkpoint (list,
verify: all of them). RUN may be the directory in which the checkpoints lie, too.
)";

int simulate(const Words& words) {
  Words paths = words;
  const bool wants_json = std::erase(paths, "--json") > 0;
  if (paths.size() != 2)
    throw UsageError(fmt::format("holdfast ckpt simulate: expected 2 paths, found {}\n  next: holdfast ckpt --help", paths.size()));
  return simulate_command(paths[0], paths[1], wants_json);
}

}  // namespace

int checkpoint_command(const Words& words) {
  using Command = int (*)(const Words&);
  static const std::map<std::string, Command> kCommands = {{"list", list_checkpoints_command},     {"show", show_checkpoint_command},
                                                           {"verify", verify_checkpoints_command}, {"diff", diff_checkpoints_command},
                                                           {"export", export_checkpoint_command},  {"prune", prune_checkpoints_command},
                                                           {"repair", repair_checkpoints_command}, {"simulate", simulate}};
  const bool wants_help = std::any_of(words.begin(), words.end(), [](const std::string& word) { return word == "--help" || word == "-h"; });
  if (words.empty() || wants_help) {
    fmt::print("{}", kUsage);
    return wants_help ? kExitOk : kExitUsage;
  }
  const auto command = kCommands.find(words[0]);
  if (command == kCommands.end())
    throw UsageError(fmt::format("holdfast ckpt: unknown command '{}'\n  next: holdfast ckpt --help", words[0]));
  return command->second({words.begin() + 1, words.end()});
}

}  // namespace holdfast
