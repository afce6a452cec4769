// A communicator that all-reduces what lies in a GPU's memory by NCCL, on a stream of its own, behind the computing; all else, and
// all-reduces of host memory, goes through the ranks' own transport. A watchdog looks after what is in flight.
#pragma once

#include <memory>

#include "trainer/devices/device.h"

namespace holdfast {

/// Collective, blocks. The current device is this rank's. A rank that is alone needs no NCCL. finish() of what it returns does not block:
/// what the calling thread queues on the GPU afterwards comes after the all-reduce. start_all_reduce() may be called by the threads of a
/// backward pass, one at a time. Throws PeerLost.
std::unique_ptr<Communicator> make_nccl_communicator(at::Device device, const DeviceConnection& connection, double collective_seconds);

}  // namespace holdfast
