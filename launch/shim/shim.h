// `holdfast rank -- COMMAND…`: the shim under which each rank runs. It starts the rank in a process group of its own, knows
// its death at once, holds a lease on the supervisor, and never outlives its purpose: when the lease breaks it kills its rank.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Blocks until the rank has ended. Returns its exit code, or 128 + signal. Without HOLDFAST_SUPERVISOR in the environment
/// there is no lease: only the guardian and the exit record. Throws Error when the rank cannot be started.
int run_shim(const std::vector<std::string>& command);

}  // namespace holdfast
