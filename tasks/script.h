// The task `torchscript`: a model that torch.jit.script or torch.jit.trace has written to a file, with a loss by name. The last field of a
// batch is the target, the ones before it are what `forward` gets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "options/field.h"
#include "trainer/task.h"

namespace holdfast {

enum class ScriptLoss { cross_entropy, binary_cross_entropy, mse, l1 };

/// `task: {name: torchscript, options: ...}`
struct ScriptOptions {
  std::string file;
  ScriptLoss loss = ScriptLoss::cross_entropy;
  double label_smoothing = 0;            // cross_entropy
  std::vector<std::int64_t> top_k = {};  // cross_entropy
  void describe(FieldVisitor&);
};

/// `options.file` as it is. Throws as ScriptModule.
std::unique_ptr<Task> make_script(const ScriptOptions& options);

}  // namespace holdfast
