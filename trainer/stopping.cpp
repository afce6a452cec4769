// Trainer: the end of an attempt that was asked to stop.
#include "base/log.h"
#include "trainer/trainer.h"

namespace holdfast {

RunEnd Trainer::stop() {
  const std::optional<StopSources::Reason>& mine = stop_sources_.reason(needed_seconds());
  if (is_rank_0())
    log_info("stopped on request after step {}; the newest checkpoint is that of step {}; why: {}", state_.global_step,
             checkpointer_.durable_step(), mine ? mine->text : "a signal asked another rank for it");
  const bool is_of_run = (mine && mine->is_of_run) || stop_sources_.is_stop_file_there();
  if (is_rank_0() && is_of_run && parts_.heartbeat) {
    parts_.heartbeat->set_error(mine && mine->is_of_run ? mine->text : "a stop file asked for it");
    parts_.heartbeat->block().stops_run = 1;  // before the file goes: a kill between the two must not start the run again
  }
  stop_sources_.obeyed();
  progress_->finish();
  end_callbacks();
  return RunEnd::stopped;
}

}  // namespace holdfast
