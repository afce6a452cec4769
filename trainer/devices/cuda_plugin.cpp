#include "trainer/devices/cuda_plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "base/environment.h"
#include "base/error.h"
#include "trainer/plugins/plugin.h"

namespace holdfast {
namespace {

constexpr const char* kPluginFile = "libholdfast_cuda.so";
constexpr const char* kAttempted = "compute on a GPU (run.device: cuda)";
constexpr const char* kOrCpu = ", or set run.device: cpu";

/// The driver's own interface, of which two calls are enough to know whether there is a GPU. Its results are numbers; 0: success.
using DriverCall = int (*)(unsigned);
using DriverCount = int (*)(int*);

std::string own_folder() {
  Dl_info info{};
  static const int kHere = 0;
  return ::dladdr(&kHere, &info) != 0 && info.dli_fname ? std::filesystem::path(info.dli_fname).parent_path().string() : ".";
}

void require_plugin(const CudaParts& parts) {
  std::error_code failed;
  if (std::filesystem::exists(parts.plugin, failed)) return;
  const DriverState driver = ask_driver(parts.driver);
  throw ConfigError(ErrorText{.attempted = kAttempted,
                              .expected = parts.plugin,
                              .found = "no such file",
                              .cause = "this build has no CUDA part" + (driver.devices > 0 ? "" : "; and this host has " + driver.problem),
                              .next = std::string("HOLDFAST_WITH_CUDA=1 bash scripts/setup.sh, and build again (docs/gpus.md)") + kOrCpu});
}

void require_driver(const std::string& driver) {
  const DriverState state = ask_driver(driver);
  if (state.devices > 0) return;
  throw ConfigError(ErrorText{.attempted = kAttempted,
                              .expected = "a driver and a GPU",
                              .found = state.problem,
                              .next = std::string("run on a host with an NVIDIA GPU and its driver (nvidia-smi lists them)") + kOrCpu});
}

OpenCudaDevice* open(const std::string& plugin) {
  require_built_like_this(plugin);
  // GLOBAL: LibTorch's CUDA part registers itself with the libraries that are open already.
  void* library = ::dlopen(plugin.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library)
    throw ConfigError(
        ErrorText{.attempted = "open " + plugin,
                  .cause = ::dlerror(),
                  .next = std::string("the library that it names is missing, or is another version than the plugin was built with: install "
                                      "LibTorch's CUDA part, HOLDFAST_WITH_CUDA=1 bash scripts/setup.sh, or the full wheel of torch") +
                          kOrCpu});
  void* entry = ::dlsym(library, kOpenCudaDevice);
  if (!entry) throw ConfigError(ErrorText{.attempted = "open " + plugin, .expected = kOpenCudaDevice, .found = "no such symbol"});
  return reinterpret_cast<OpenCudaDevice*>(entry);
}

}  // namespace

CudaParts default_cuda_parts() {
  const std::optional<std::string> given = environment::get(environment::kCudaPlugin);
  return {.plugin = given ? *given : (std::filesystem::path(own_folder()) / kPluginFile).string()};
}

DriverState ask_driver(const std::string& driver) {
  void* library = ::dlopen(driver.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return {.has_library = false, .devices = 0, .problem = fmt::format("no driver ({})", ::dlerror())};
  const auto init = reinterpret_cast<DriverCall>(::dlsym(library, "cuInit"));
  const auto count = reinterpret_cast<DriverCount>(::dlsym(library, "cuDeviceGetCount"));
  if (!init || !count) return {.devices = 0, .problem = driver + " is no CUDA driver"};
  if (const int result = init(0); result != 0)
    return {.devices = 0,
            .problem = result == 100 ? "a driver, but no GPU that it can use" : fmt::format("a driver whose cuInit fails with {}", result)};
  DriverState state;
  if (const int result = count(&state.devices); result != 0)
    return {.devices = 0, .problem = fmt::format("a driver whose cuDeviceGetCount fails with {}", result)};
  if (state.devices == 0) state.problem = "a driver, but no GPU (CUDA_VISIBLE_DEVICES may hide it)";
  return state;
}

std::unique_ptr<Device> open_device(DeviceChoice choice, const DeviceRequest& request, const CudaParts& parts, std::string& note) {
  if (choice == DeviceChoice::cpu) return make_cpu_device();
  if (choice == DeviceChoice::automatic) {
    const DriverState driver = ask_driver(parts.driver);
    if (driver.devices == 0) {
      note = "computes on the CPU: " + (driver.has_library ? driver.problem : "no NVIDIA driver");
      return make_cpu_device();
    }
    std::error_code failed;
    if (!std::filesystem::exists(parts.plugin, failed)) {
      note = fmt::format("computes on the CPU, and leaves {} GPUs alone: this build has no {}", driver.devices, kPluginFile);
      return make_cpu_device();
    }
  }
  require_plugin(parts);
  OpenCudaDevice* entry = open(parts.plugin);
  require_driver(parts.driver);
  return std::unique_ptr<Device>(entry(request));
}

}  // namespace holdfast
