// holdfast-train CONFIG [--set key=value]...: what every rank runs, under `holdfast run`, mpirun or srun alike.
#include "apps/train/arguments.h"
#include "apps/train/evaluation.h"
#include "apps/train/probe.h"
#include "apps/train/training.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "trainer/thrown.h"

int main(int argc, char** argv) {
  using namespace holdfast;
  set_up_log("rank " + std::to_string(environment::launcher_rank()));
  std::unique_ptr<Heartbeat> heartbeat;
  const auto fail = [&heartbeat](const std::string& what, int exit_code) {
    log_error("{}", what);
    if (heartbeat) heartbeat->set_error(what);
    return exit_code;
  };
  try {
    const std::optional<TrainArguments> arguments = parse_train_arguments(argc, argv);
    if (!arguments) return kExitOk;
    if (!arguments->probe.empty()) return run_probe(arguments->probe);
    if (!arguments->evaluated.empty()) return run_evaluation(*arguments);
    heartbeat = Heartbeat::from_environment();
    return run_training(*arguments, heartbeat.get());
  } catch (const FutileError& error) {
    if (heartbeat) heartbeat->block().is_futile = 1;
    return fail(error.what(), error.exit_code());
  } catch (const Error& error) {
    return fail(error.what(), error.exit_code());
  } catch (...) {
    return fail(words_of(std::current_exception()), kExitSoftware);
  }
}
