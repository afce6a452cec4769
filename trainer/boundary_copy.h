// A copy in memory of live state, so that what fails can be undone: of what a step may change before its update (buffers, generators), and
// of the last weights while others are loaded.
// Local to a rank; training thread only.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "checkpoint/engine/snapshot.h"

namespace holdfast {

class BoundaryCopy {
 public:
  /// `entries`: what to copy, asked for each time, since a module may give itself other tensors.
  explicit BoundaryCopy(std::function<std::vector<StateEntry>()> entries) : entries_(std::move(entries)) {}
  void take();
  /// What was taken is the live state again.
  void put_back();

 private:
  std::function<std::vector<StateEntry>()> entries_;
  std::vector<StateEntry> taken_;
  std::vector<std::vector<std::byte>> bytes_;
};

}  // namespace holdfast
