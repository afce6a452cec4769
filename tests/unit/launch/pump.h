// Waiting for what a socket brings: until a condition holds, with a bound, and without a pause longer than a millisecond.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>

namespace holdfast {

inline bool pump_until(const std::function<bool()>& is_true) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace holdfast
