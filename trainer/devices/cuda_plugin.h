// Whether this rank computes on a GPU, and the opening of what that takes: libholdfast_cuda.so, which brings LibTorch's CUDA part and NCCL
// with it. Before any call that asks LibTorch for devices: it looks once, and what comes later it does not see.
#pragma once

#include <memory>
#include <string>

#include "trainer/devices/device.h"

namespace holdfast {

/// What a GPU is opened with.
struct DeviceRequest {
  int local_rank = 0;  // the rank's number on its host
  CudaOptions options;
  Determinism determinism = Determinism::run;
};

/// Where the parts are looked for; tests give others.
struct CudaParts {
  std::string plugin;                   // default: beside the library that this code is in, or HOLDFAST_CUDA_PLUGIN
  std::string driver = "libcuda.so.1";  // as the loader finds it
};
CudaParts default_cuda_parts();

/// What there is to compute on, as the driver says.
struct DriverState {
  bool has_library = true;
  int devices = 0;
  std::string problem;  // why there is none; empty: there is
};
/// Asks the driver alone, without opening anything else.
DriverState ask_driver(const std::string& driver);

/// cpu: the CPU. cuda: a GPU, or ConfigError that names what is missing and how to get it. automatic: the CPU where the driver has no GPU
/// or the plugin's file is not there, and `note` says so; else as cuda. The plugin stays open for good.
std::unique_ptr<Device> open_device(DeviceChoice choice, const DeviceRequest& request, const CudaParts& parts, std::string& note);

/// The plugin's one entry point. Throws ConfigError where there is no such device.
extern "C" using OpenCudaDevice = Device * (const DeviceRequest& request);
inline constexpr const char* kOpenCudaDevice = "holdfast_open_cuda_device";

}  // namespace holdfast
