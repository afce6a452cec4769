// The task `gpt`: a pre-norm transformer that predicts the next byte (Radford et al. 2019, at the size of the configuration).
// Layers and parameter names are those of the PyTorch peers in bench/peers/workloads.py.
#pragma once

#include <memory>
#include <string>

#include "options/field.h"
#include "trainer/task.h"

namespace holdfast {

/// `task: {name: gpt, options: ...}`
struct GptOptions {
  std::int64_t vocabulary = 256;
  std::int64_t context = 256;
  std::int64_t layers = 4;
  std::int64_t width = 256;
  std::int64_t heads = 8;
  double dropout = 0;
  std::string sample_prompt = "\n";
  std::int64_t sample_length = 100;  // bytes
  double sample_temperature = 0.8;
  void describe(FieldVisitor&);
};

/// Batches: one field, tokens int64 [n, length + 1] with length <= context. The loss counts tokens. Throws ConfigError when
/// heads do not divide width.
std::unique_ptr<Task> make_gpt(const GptOptions& options);

}  // namespace holdfast
