#include "trainer/precision/autocast.h"

#include <ATen/autocast_mode.h>
#include <torch/types.h>

#include <utility>

#include "trainer/forwarding_task.h"

namespace holdfast {
namespace {

void set(at::DeviceType device, AutocastState state) {
  at::autocast::set_autocast_enabled(device, state.is_enabled);
  at::autocast::set_autocast_dtype(device, state.type);
}

/// Sums of losses are compared and added up as float32, whatever they were computed with.
Loss in_float32(const Loss& loss) { return {loss.sum.to(at::kFloat), loss.count}; }

class MixedPrecisionTask final : public ForwardingTask {
 public:
  MixedPrecisionTask(std::unique_ptr<Task> task, at::ScalarType type) : ForwardingTask(std::move(task)), type_(type) {}

  Loss loss(const Batch& batch) override {
    const AutocastScope scope(device(), {true, type_});
    return in_float32(ForwardingTask::loss(batch));
  }
  Evaluation evaluate(const Batch& batch) override {
    const AutocastScope scope(device(), {true, type_});
    return ForwardingTask::evaluate(batch);
  }
  std::vector<std::string> samples(std::int64_t count, at::Generator& generator) override {
    const AutocastScope scope(device(), {true, type_});
    return ForwardingTask::samples(count, generator);
  }
  void train_batch(const Batch& batch, ManualOptimization& optimization) override {
    const AutocastScope scope(device(), {true, type_});
    Outside outside(optimization, device());
    ForwardingTask::train_batch(batch, outside);
  }

 private:
  /// What a task asks for in the middle of a scope.
  class Outside final : public ManualOptimization {
   public:
    Outside(ManualOptimization& inner, at::DeviceType device) : inner_(inner), device_(device) {}
    void backward(const std::string& optimizer, const Loss& loss) override {
      const Loss sum = in_float32(loss);
      const AutocastScope scope(device_, {});
      inner_.backward(optimizer, sum);
    }
    void step(const std::string& optimizer) override { inner_.step(optimizer); }

   private:
    ManualOptimization& inner_;
    at::DeviceType device_;
  };

  at::DeviceType device() {
    if (!device_) {
      const std::vector<at::Tensor> parameters = model().parameters();
      device_ = parameters.empty() ? at::kCPU : parameters.front().device().type();
    }
    return *device_;
  }

  at::ScalarType type_;
  std::optional<at::DeviceType> device_;  // where the model was at the first batch
};

}  // namespace

AutocastState autocast_state(at::DeviceType device) {
  return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
}

AutocastScope::AutocastScope(at::DeviceType device, AutocastState state)
    : device_(device), before_(autocast_state(device)), had_cache_(at::autocast::is_autocast_cache_enabled()) {
  at::autocast::increment_nesting();
  at::autocast::set_autocast_cache_enabled(false);
  set(device, state);
}

AutocastScope::~AutocastScope() {
  set(device_, before_);
  at::autocast::set_autocast_cache_enabled(had_cache_);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

std::unique_ptr<Task> with_precision(std::unique_ptr<Task> task, NumberFormat compute) {
  if (compute == NumberFormat::float32) return task;
  return std::make_unique<MixedPrecisionTask>(std::move(task), compute == NumberFormat::bf16 ? at::kBFloat16 : at::kHalf);
}

}  // namespace holdfast
