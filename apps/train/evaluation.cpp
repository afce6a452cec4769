#include "apps/train/evaluation.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/train/components.h"
#include "apps/train/device.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "checkpoint/engine/checkpointer.h"
#include "checkpoint/format/given_path.h"
#include "trainer/devices/device_loader.h"
#include "trainer/state/model_state.h"
#include "trainer/validation.h"

namespace holdfast {
namespace {

/// `given` is a checkpoint, or a run directory: then its newest state. Every rank finds it by itself before any talks to another, since the
/// configuration may come from there; what they load is what rank 0 has found.
Path checkpoint_of(FileSystem& files, const std::string& given) {
  const std::vector<Path> states = states_of(files, given);
  if (states.empty()) throw DataError(no_checkpoint_at(files, given, "evaluate " + given));
  return states.back();
}

Configuration configuration_of(FileSystem& files, const Path& checkpoint, const TrainArguments& arguments) {
  Configuration configuration;
  if (!arguments.config.empty()) {
    configuration = load_configuration(arguments.config, arguments.overrides);
  } else {
    // Where the configuration's file was is not known any more: its relative paths start in the working directory.
    const std::string text = read_manifest(files, checkpoint).options.dump();
    configuration =
        configuration_from(OptionTree::from_text(text, (checkpoint / kManifestName).string(), arguments.overrides), "manifest.json");
  }
  configuration.transforms.clear();  // they make copies of weights; here is one that is made
  configuration.callbacks.clear();   // they look at a training
  return configuration;
}

}  // namespace

int run_evaluation(const TrainArguments& arguments) {
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  const Path found = checkpoint_of(*files, arguments.evaluated);
  const Configuration configuration = configuration_of(*files, found, arguments);
  const std::unique_ptr<Device> device = open_device(configuration);
  const Components components = build(configuration, device->place(), /*is_check_only=*/false, /*heartbeat=*/nullptr);
  if (!components.data.validation)
    throw DataError(
        ErrorText{.attempted = "evaluate " + found.string(), .expected = "validation data", .found = "none in the configuration"});
  const SystemClock clock;
  SectionTracker sections(nullptr);
  const std::unique_ptr<Communicator> ranks = make_mpi_communicator(sections);
  set_up_log(fmt::format("rank {}", ranks->rank()));
  const Path checkpoint = broadcast_text(*ranks, found.string(), 0);
  set_threads(configuration, *ranks);
  set_determinism(configuration.trainer.determinism);
  Checkpointer checkpointer({*ranks, *files, clock, sections}, RunLayout{checkpoint.parent_path().parent_path()}, {}, 1);
  const Manifest manifest = load_weights(checkpointer, checkpoint, components.task->model());
  const std::unique_ptr<BatchLoader> loader = on_device(validation_loader(configuration, components, *ranks), device->place());
  const ValidationRecord record = *run_validation({*ranks, sections, *components.task, *loader, components.metrics},
                                                  configuration.validation.max_batches, manifest.global_step);
  if (ranks->rank() == 0) fmt::print("{}: step {}, role {}: {}\n", checkpoint.string(), record.step, manifest.role, text_of(record, "{}"));
  ranks->close();
  return kExitOk;
}

}  // namespace holdfast
