// The CUDA part as the program sees it, without CUDA: opened, it gives a device that says what it was asked for.
#include <fmt/format.h>

#include "trainer/devices/cuda_plugin.h"
#include "trainer/plugins/plugin_record.h"

namespace holdfast {
namespace {

class MadeUpDevice final : public Device {
 public:
  explicit MadeUpDevice(int local_rank) : local_rank_(local_rank) {}
  at::Device place() const override { return at::kCPU; }
  std::string description() const override { return fmt::format("made up, for rank {} of the host", local_rank_); }
  nlohmann::json facts() const override { return {}; }
  std::unique_ptr<Communicator> connect(const DeviceConnection&) override { return nullptr; }

 private:
  int local_rank_;
};

}  // namespace

extern "C" [[gnu::visibility("default")]] Device* FAKE_ENTRY(const DeviceRequest& request) { return new MadeUpDevice(request.local_rank); }

}  // namespace holdfast
