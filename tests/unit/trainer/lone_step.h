// The step of a training and what it works on, without a Trainer around it.
#pragma once

#include <memory>
#include <utility>

#include "late_communicator.h"
#include "trainer/state/training_state.h"
#include "trainer/training_step.h"

namespace holdfast {

struct LoneStep {
  LoneStep(Task& task, Configuration wanted, std::unique_ptr<BatchLoader> batches)
      : configuration(std::move(wanted)),
        loader(std::move(batches)),
        optimization(std::make_unique<Optimization>(configuration, named_parameters(task.model()))),
        step(std::make_unique<TrainingStep>(
            TrainingStep::Parts{ranks, sections, task, *loader, *optimization, configuration.trainer.accumulate_batches})) {}
  Configuration configuration;
  LateCommunicator ranks;
  SectionTracker sections{nullptr};
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<Optimization> optimization;
  std::unique_ptr<TrainingStep> step;
  RunState state;
};

}  // namespace holdfast
