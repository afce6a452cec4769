// Adds `gradient_norm` to the lines of metrics: by optimizer, the 2-norm of the mean gradient of the newest update, before clipping.
#pragma once

#include "options/field.h"
#include "trainer/callback.h"

namespace holdfast {

struct GradientNormOptions {  // none yet: a key there is refused
  void describe(FieldVisitor&) {}
};

class GradientNorm final : public Callback {
 public:
  void on_optimizer_step(const RunView&, const OptimizerStep& step) override { newest_[step.optimizer] = step.gradient_norm; }
  void add_metrics(nlohmann::json& line) override { line["gradient_norm"] = newest_; }
  nlohmann::json state() const override { return newest_; }  // an optimizer may be stepped seldom
  void restore(const nlohmann::json& state) override { newest_ = state; }

 private:
  nlohmann::json newest_ = nlohmann::json::object();
};

}  // namespace holdfast
