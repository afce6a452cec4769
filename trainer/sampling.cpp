#include "trainer/sampling.h"

#include <torch/types.h>

#include "trainer/evaluation_mode.h"

namespace holdfast {

std::vector<std::string> draw_samples(Task& task, std::int64_t count, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const EvaluationMode mode(task.model());
  return task.samples(count, generator);
}

}  // namespace holdfast
