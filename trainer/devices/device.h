// What a rank computes on. The CPU is one that asks for nothing; GPUs are brought by libholdfast_cuda.so (folder cuda/), which is opened
// before anything else asks LibTorch for devices (trainer/devices/cuda_plugin.h). Training thread only.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/heartbeat.h"
#include "base/section.h"
#include "dist/communicator.h"
#include "options/run_options.h"

namespace holdfast {

/// What a device needs to connect the ranks.
struct DeviceConnection {
  Communicator& ranks;  // in the hosts' memory; outlives what is made of it
  SectionTracker& sections;
  const Clock& clock;
  Heartbeat* heartbeat;  // may be null
  Path record;           // where this rank writes its newest operations down before it ends of a hang
};

class Device {
 public:
  virtual ~Device() = default;
  /// Where the model's tensors and the batches are.
  virtual at::Device place() const = 0;
  /// "cpu", "cuda:0 (NVIDIA H200, …)"
  virtual std::string description() const = 0;
  /// What bits depend on: part of every manifest's environment.
  virtual nlohmann::json facts() const = 0;
  /// Collective, blocks. What all-reduces tensors of the device, and leaves everything else to `connection.ranks`; null: those can do it
  /// all. Throws ConfigError where the ranks and their devices do not fit together.
  virtual std::unique_ptr<Communicator> connect(const DeviceConnection& connection) = 0;
};

std::unique_ptr<Device> make_cpu_device();

}  // namespace holdfast
