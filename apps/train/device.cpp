#include "apps/train/device.h"

#include <fmt/format.h>

#include <vector>

#include "base/environment.h"
#include "base/error.h"
#include "base/host.h"
#include "base/log.h"
#include "trainer/devices/cuda_plugin.h"

namespace holdfast {

std::unique_ptr<Device> open_device(const Configuration& configuration) {
  const DeviceRequest request{
      .local_rank = environment::launcher_local_rank(), .options = configuration.cuda, .determinism = configuration.trainer.determinism};
  std::string note;
  std::unique_ptr<Device> device = open_device(configuration.run.device, request, default_cuda_parts(), note);
  if (environment::launcher_rank() == 0) {
    if (!note.empty()) log_info("{}", note);
    if (!device->place().is_cpu()) log_info("computes on {}", device->description());
  }
  return device;
}

std::unique_ptr<Communicator> connect(Device& device, const DeviceConnection& connection) {
  // With `auto` each host decides for itself.
  const std::string kind = c10::DeviceTypeName(device.place().type(), /*lower_case=*/true);
  const std::string first = broadcast_text(connection.ranks, kind, 0);
  const std::vector<std::string> others =
      connection.ranks.gather(kind == first ? "" : fmt::format("rank {} on {}: {}", connection.ranks.rank(), host_name(), kind), 0);
  std::string refusal;
  for (const std::string& other : others)
    if (!other.empty() && refusal.empty()) refusal = other;
  refusal = broadcast_text(connection.ranks, refusal, 0);
  if (!refusal.empty())
    throw ConfigError(ErrorText{.attempted = "compute on one kind of device (run.device)",
                                .expected = fmt::format("{}, as on rank 0", first),
                                .found = refusal,
                                .next = "set run.device to cuda, to see what that host lacks, or to cpu"});
  return device.connect(connection);
}

}  // namespace holdfast
