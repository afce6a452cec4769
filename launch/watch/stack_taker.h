// Takes the stacks of a rank in a process of its own, which is killed when that takes too long, so that the shim that asks for them
// goes on meanwhile. One thread.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "launch/watch/stacks.h"

namespace holdfast {

class StackTaker {
 public:
  StackTaker() = default;
  ~StackTaker();
  StackTaker(const StackTaker&) = delete;
  StackTaker& operator=(const StackTaker&) = delete;

  /// Begins to write the stacks of `pid` to `file`. Does nothing when it has been called before.
  void start(pid_t pid, Path file, double now);
  /// Once, when they are written or have taken too long: {"state", "functions", "file"}; see stacks.h.
  std::optional<nlohmann::json> take(double now);

 private:
  bool has_started_ = false;
  pid_t writer_ = 0;
  Path file_;
  std::string state_;  // before anybody looked into it
  double until_ = 0;
};

}  // namespace holdfast
