#include "trainer/sampling.h"

#include <torch/torch.h>

namespace holdfast {

std::vector<std::string> draw_samples(Task& task, std::int64_t count, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const torch::NoGradGuard no_grad;
  task.model().eval();
  try {
    std::vector<std::string> texts = task.samples(count, generator);
    task.model().train();
    return texts;
  } catch (...) {
    task.model().train();
    throw;
  }
}

}  // namespace holdfast
