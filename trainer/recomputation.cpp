#include "trainer/recomputation.h"

#include <torch/torch.h>

#include <stdexcept>

#include "trainer/recomputed_stage.h"

namespace holdfast {
namespace {

class RecomputedTask final : public Task {
 public:
  RecomputedTask(std::unique_ptr<Task> task, StagedTask& staged) : task_(std::move(task)), staged_(staged) {}

  torch::nn::Module& model() override { return staged_.model(); }
  Loss loss(const Batch& batch) override {
    StagedTask::Tensors tensors = staged_.inputs_of(batch);
    const std::size_t last = staged_.stage_count() - 1;
    for (std::size_t stage = 0; stage < last; ++stage) tensors = run_recomputed(staged_, stage, tensors);
    // What the last one computes is needed at once: nothing would be saved by computing it again.
    return staged_.loss_of(staged_.run_stage(last, tensors), batch);
  }
  Evaluation evaluate(const Batch& batch) override { return staged_.evaluate(batch); }
  std::vector<Metric> metrics() const override { return staged_.metrics(); }
  bool has_samples() const override { return staged_.has_samples(); }
  std::vector<std::string> samples(std::int64_t count, at::Generator& generator) override { return staged_.samples(count, generator); }

 private:
  std::unique_ptr<Task> task_;
  StagedTask& staged_;  // the same
};

}  // namespace

std::unique_ptr<Task> with_recomputation(std::unique_ptr<Task> task) {
  auto* const staged = dynamic_cast<StagedTask*>(task.get());
  if (!staged) throw std::invalid_argument("it is not in stages");
  if (staged->is_manual()) throw std::invalid_argument("it steps its optimizers itself, and runs its stages itself");
  return std::make_unique<RecomputedTask>(std::move(task), *staged);
}

}  // namespace holdfast
