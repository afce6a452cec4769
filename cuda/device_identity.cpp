#include "cuda/device_identity.h"

#include "base/same_texts.h"

namespace holdfast {

std::string sharing_ranks(const std::vector<std::string>& identities) {
  SameTexts devices;
  for (std::size_t rank = 0; rank < identities.size(); ++rank) add_text(devices, identities[rank], static_cast<int>(rank));
  for (const auto& [device, ranks] : devices)
    if (ranks.size() > 1) return numbered("rank", ranks) + " on " + device;
  return {};
}

}  // namespace holdfast
