// The callbacks of a run under their names, called in the order of the names. Training thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/callback.h"
#include "trainer/registry.h"

namespace holdfast {

class CallbackList {
 public:
  CallbackList() = default;
  /// Throws ConfigError.
  CallbackList(const Configuration& configuration, const Registry& registry, const ComponentContext& context);

  bool empty() const { return callbacks_.empty(); }
  /// Calls `method` of all of them by `call`; what one throws becomes an Error with its name and that of the method.
  void each(const char* method, const std::function<void(Callback&)>& call) const;
  /// Tells all of them of what ends the attempt on this rank; what they throw is logged.
  void tell_of(const std::exception& error, const RunView& view) const;
  /// Adds the numbers of all of them to `line`. Throws Error: something that is no number, or that the line has already.
  void add_metrics(nlohmann::json& line) const;
  /// {name: [texts]} of those that have any; what is not UTF-8 in them is replaced.
  nlohmann::json texts() const;
  /// {name: {type, state}} of those that have a state. Throws Error: a number that is not finite, or a text that is not UTF-8, which JSON
  /// would not give back.
  nlohmann::json state() const;
  /// Of another type than before, or without a state: it begins anew. Throws ConfigError where one cannot take its state back.
  void restore(const nlohmann::json& state) const;
  /// Collective where a callback may end the run, blocks: why the run is to end here, by the lowest rank that has a reason; empty: it goes
  /// on.
  std::string agree_on_end(Communicator& ranks) const;

 private:
  struct Named {
    std::string name, type;
    std::unique_ptr<Callback> callback;
  };
  static void call(const Named& named, const char* method, const std::function<void(Callback&)>& call);
  std::vector<Named> callbacks_;
};

}  // namespace holdfast
