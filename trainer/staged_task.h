// A task whose model is a chain of stages: what one gives, the next one takes. Whoever trains it may run the stages apart: on several
// ranks, or once more in the backward pass instead of keeping what they have computed. Run one after the other they are the task.
#pragma once

#include <cstddef>
#include <vector>

#include "trainer/task.h"

namespace holdfast {

class StagedTask : public Task {
 public:
  using Tensors = std::vector<at::Tensor>;
  /// At least 1, the same for the task's whole life. A parameter may be used in several stages (tied weights).
  virtual std::size_t stage_count() const = 0;
  /// Stage 0 takes inputs_of(batch), each other one what the one before has given. Keeps nothing between calls, so that it can be run
  /// again.
  virtual Tensors run_stage(std::size_t stage, const Tensors& inputs) = 0;
  virtual Tensors inputs_of(const Batch& batch) const { return batch.fields; }
  /// From what the last stage has given; the same as Task::loss and Task::evaluate.
  virtual Loss loss_of(const Tensors& outputs, const Batch& batch) = 0;
  virtual Evaluation evaluation_of(const Tensors& outputs, const Batch& batch) = 0;

  Loss loss(const Batch& batch) final { return loss_of(run_all(batch), batch); }
  Evaluation evaluate(const Batch& batch) final { return evaluation_of(run_all(batch), batch); }

 private:
  Tensors run_all(const Batch& batch) {
    Tensors tensors = inputs_of(batch);
    for (std::size_t stage = 0; stage < stage_count(); ++stage) tensors = run_stage(stage, tensors);
    return tensors;
  }
};

}  // namespace holdfast
