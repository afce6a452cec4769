// The model in evaluation mode and without gradients, for as long as this lives; then in training mode again, whatever was thrown.
#pragma once

#include <torch/types.h>

namespace holdfast {

class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& model) : model_(model) { model_.eval(); }
  ~EvaluationMode() { model_.train(); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  torch::NoGradGuard no_gradients_;
  torch::nn::Module& model_;
};

}  // namespace holdfast
