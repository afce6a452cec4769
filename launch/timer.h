// A moment that something waits for. Knows no clock: the time is passed in.
#pragma once

#include <optional>

namespace holdfast {

class Timer {
 public:
  void start(double now, double seconds) { at_ = now + seconds; }
  void stop() { at_.reset(); }
  /// Once, when the moment has come.
  bool take(double now) {
    if (!at_ || now < *at_) return false;
    at_.reset();
    return true;
  }

 private:
  std::optional<double> at_;
};

}  // namespace holdfast
