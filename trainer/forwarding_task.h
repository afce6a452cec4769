// A task around another one: whoever derives from it changes what it overrides, and nothing else.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/task.h"

namespace holdfast {

class ForwardingTask : public Task {
 public:
  explicit ForwardingTask(std::unique_ptr<Task> inner) : inner_(std::move(inner)) {}

  torch::nn::Module& model() override { return inner_->model(); }
  Loss loss(const Batch& batch) override { return inner_->loss(batch); }
  Evaluation evaluate(const Batch& batch) override { return inner_->evaluate(batch); }
  std::vector<Metric> metrics() const override { return inner_->metrics(); }
  bool has_samples() const override { return inner_->has_samples(); }
  std::vector<std::string> samples(std::int64_t count, at::Generator& generator) override { return inner_->samples(count, generator); }
  bool is_manual() const override { return inner_->is_manual(); }
  void train_batch(const Batch& batch, ManualOptimization& optimization) override { inner_->train_batch(batch, optimization); }

 private:
  std::unique_ptr<Task> inner_;
};

}  // namespace holdfast
