#include "launch/attempt/leftovers.h"

#include "base/environment.h"
#include "launch/attempt/sweep.h"

namespace holdfast {

int end_leftovers(const RunLayout& run, double seconds) {
  const auto found = static_cast<int>(processes_with(environment::kRunDirectory, run.root.string()).size());
  if (found > 0) sweep(environment::kRunDirectory, run.root.string(), seconds);
  return found;
}

}  // namespace holdfast
