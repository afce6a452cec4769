// The clock seam: what decides by time takes a Clock, so that tests decide what time it is.
#pragma once

#include <chrono>

namespace holdfast {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic seconds since an arbitrary start.
  virtual double seconds() const = 0;
  /// Seconds since 1970-01-01 UTC.
  virtual double unix_seconds() const = 0;
};

class SystemClock final : public Clock {
 public:
  double seconds() const override { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  double unix_seconds() const override {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
};

}  // namespace holdfast
