#include "trainer/devices/device.h"

namespace holdfast {
namespace {

class CpuDevice final : public Device {
 public:
  at::Device place() const override { return at::kCPU; }
  std::string description() const override { return "cpu"; }
  nlohmann::json facts() const override { return {{"device", "cpu"}}; }
  std::unique_ptr<Communicator> connect(const DeviceConnection&) override { return nullptr; }
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

}  // namespace holdfast
