// From the configuration to the device that this rank computes on.
#pragma once

#include <memory>

#include "options/run_options.h"
#include "trainer/devices/device.h"

namespace holdfast {

/// First of all that a rank does: LibTorch looks for devices once. Says on the launcher's rank 0 what it is. Throws ConfigError.
std::unique_ptr<Device> open_device(const Configuration& configuration);

/// Collective, blocks: what gradients are summed with; null: `connection.ranks` is. Throws ConfigError on every rank where they do not all
/// compute on the same kind of device.
std::unique_ptr<Communicator> connect(Device& device, const DeviceConnection& connection);

}  // namespace holdfast
