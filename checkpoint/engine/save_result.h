// What the ranks know of a save when it has ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

/// How a save has ended.
struct SaveResult {
  std::int64_t global_step = 0;
  double seconds = 0;                          // from its begin until all ranks knew
  std::uint64_t bytes = 0;                     // rank 0: of its tensors, over all ranks and copies
  std::string failure;                         // empty: the checkpoint is durable and visible
  bool is_resumable = true;                    // false: it holds weights alone
  std::vector<std::string> failed_transforms;  // rank 0: "ema: why", of copies that it went on without
  /// The failure is that ranks have different bits in what should be the same: their state cannot be trusted.
  bool is_corruption = false;
};

}  // namespace holdfast
