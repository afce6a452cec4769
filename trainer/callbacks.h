// The callbacks of a run under their names, called in the order of the configuration. Training thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "trainer/callback.h"
#include "trainer/registry.h"

namespace holdfast {

class Callbacks {
 public:
  Callbacks() = default;
  /// Throws ConfigError.
  Callbacks(const Configuration& configuration, const Registry& registry, const ComponentContext& context);

  bool empty() const { return callbacks_.empty(); }
  /// Calls all of them; what one throws gets its name and that of the method.
  template <class Call>
  void each(const char* method, Call call) {
    for (const Named& named : callbacks_) try {
        call(*named.callback);
      } catch (const PeerLost&) {
        throw;
      } catch (const std::exception& error) {
        throw Error(fmt::format("callbacks.{}, {}: {}", named.name, method, error.what()), kExitSoftware);
      }
  }
  /// {name: {type, state}} of those that have a state.
  nlohmann::json state() const;
  /// Of another type than before, or without a state: it begins anew. Throws CorruptCheckpoint.
  void restore(const nlohmann::json& state);
  /// Collective where there are callbacks, blocks: why the run is to end here, by the lowest rank that has a reason; empty: it goes on.
  std::string agree_on_end(Communicator& ranks) const;

 private:
  struct Named {
    std::string name, type;
    std::unique_ptr<Callback> callback;
  };
  std::vector<Named> callbacks_;
};

}  // namespace holdfast
