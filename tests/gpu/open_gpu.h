// How tests get at a GPU: as the program does. Without one the program ends with 77, and says what is missing.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/environment.h"
#include "base/error.h"
#include "trainer/devices/cuda_plugin.h"

namespace holdfast {

inline constexpr int kSkipped = 77;

inline std::unique_ptr<Device> open_gpu(const CudaOptions& options) {
  try {
    std::string note;
    return open_device(DeviceChoice::cuda, {.local_rank = environment::launcher_local_rank(), .options = options}, default_cuda_parts(),
                       note);
  } catch (const ConfigError& error) {
    std::fprintf(stderr, "SKIPPED: %s\n", error.what());
    std::exit(kSkipped);
  }
}

}  // namespace holdfast
