// Batches on the device: what another loader gives, moved there.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "trainer/batch_loader.h"

namespace holdfast {

/// `loader` itself for the CPU.
std::unique_ptr<BatchLoader> on_device(std::unique_ptr<BatchLoader> loader, at::Device place);

}  // namespace holdfast
