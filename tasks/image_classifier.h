// The tasks `mlp` and `cnn`: images float32 and labels int64, cross-entropy. Layers and parameter names are those of the
// PyTorch peers in bench/peers/workloads.py, so that a state dict of one fits the other.
#pragma once

#include <memory>
#include <vector>

#include "options/field.h"
#include "trainer/task.h"

namespace holdfast {

/// `task: {name: mlp, options: ...}`
struct MlpOptions {
  std::vector<std::int64_t> widths = {784, 512, 256, 10};  // input, hidden…, classes
  double label_smoothing = 0;
  std::vector<std::int64_t> top_k = {};
  void describe(FieldVisitor&);
};

/// `task: {name: cnn, options: ...}`: 28 x 28 images of one channel.
struct CnnOptions {
  std::int64_t classes = 10;
  std::vector<double> dropout = {0.25, 0.5};  // after the pooling, after the hidden layer
  double label_smoothing = 0;
  std::vector<std::int64_t> top_k = {};
  bool channels_last = true;  // memory format of the convolutions
  void describe(FieldVisitor&);
};

/// linear(widths[0], widths[1]), ReLU, … as a Sequential: parameters "0.weight", "0.bias", "2.weight", …
std::unique_ptr<Task> make_mlp(const MlpOptions& options);
/// conv 1-32 3x3, ReLU, conv 32-64 3x3, ReLU, maxpool 2, dropout, 9216-128, ReLU, dropout, 128-classes: "body.0.weight", …
std::unique_ptr<Task> make_cnn(const CnnOptions& options);

}  // namespace holdfast
