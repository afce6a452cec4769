#include "trainer/recomputation/recomputation.h"

#include <torch/types.h>

#include <stdexcept>

#include "trainer/forwarding_task.h"
#include "trainer/recomputation/recomputed_stage.h"

namespace holdfast {
namespace {

class RecomputedTask final : public ForwardingTask {
 public:
  RecomputedTask(std::unique_ptr<Task> task, StagedTask& staged) : ForwardingTask(std::move(task)), staged_(staged) {}

  Loss loss(const Batch& batch) override {
    StagedTask::Tensors tensors = staged_.inputs_of(batch);
    const std::size_t last = staged_.stage_count() - 1;
    for (std::size_t stage = 0; stage < last; ++stage) tensors = run_recomputed(staged_, stage, tensors);
    // What the last one computes is needed at once: nothing would be saved by computing it again.
    return staged_.loss_of(staged_.run_stage(last, tensors), batch);
  }

 private:
  StagedTask& staged_;  // the same task
};

}  // namespace

std::unique_ptr<Task> with_recomputation(std::unique_ptr<Task> task) {
  auto* const staged = dynamic_cast<StagedTask*>(task.get());
  if (!staged) throw std::invalid_argument("it is not in stages");
  if (staged->is_manual()) throw std::invalid_argument("it steps its optimizers itself, and runs its stages itself");
  return std::make_unique<RecomputedTask>(std::move(task), *staged);
}

}  // namespace holdfast
