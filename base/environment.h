// The environment variables by which supervisor, shim and rank find each other. docs/operations.md lists them for users.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>

namespace holdfast::environment {

inline constexpr const char* kSupervisor = "HOLDFAST_SUPERVISOR";       // host:port of the lease, or several of them with commas
inline constexpr const char* kToken = "HOLDFAST_TOKEN";                 // secret of the supervised run
inline constexpr const char* kAttempt = "HOLDFAST_ATTEMPT";             // 1, 2, …: counts over the whole life of a run directory
inline constexpr const char* kFirstAttempt = "HOLDFAST_FIRST_ATTEMPT";  // the first one of this `holdfast run`
inline constexpr const char* kStarted = "HOLDFAST_STARTED";             // when this `holdfast run` began, in seconds since 1970
inline constexpr const char* kReachedStep = "HOLDFAST_REACHED_STEP";    // what earlier attempts have computed: up to it steps come again
inline constexpr const char* kRunDirectory = "HOLDFAST_RUN_DIR";
inline constexpr const char* kLeaseSeconds = "HOLDFAST_LEASE_SECONDS";
inline constexpr const char* kHeartbeatFd = "HOLDFAST_HEARTBEAT_FD";  // shim to rank: shared memory
inline constexpr const char* kAttemptTag = "HOLDFAST_ATTEMPT_TAG";    // in every process of an attempt
inline constexpr const char* kSession = "HOLDFAST_SESSION";       // HOST:DIRECTORY, the supervisor's host and mpirun's files on every host
inline constexpr const char* kStandby = "HOLDFAST_STANDBY";       // to a shim: its rank is to wait until the attempt before is over
inline constexpr const char* kStandbyFd = "HOLDFAST_STANDBY_FD";  // shim to such a rank: where the word to go on comes from
inline constexpr const char* kRankTag = "HOLDFAST_RANK_TAG";      // in the rank and all that it starts

inline constexpr const char* kDoctorHost = "HOLDFAST_DOCTOR_HOST";      // to an agent of `holdfast doctor`: the number of its host
inline constexpr const char* kDoctorDirectory = "HOLDFAST_DOCTOR_DIR";  // and the directory that it tries

inline constexpr const char* kCudaPlugin = "HOLDFAST_CUDA_PLUGIN";  // the CUDA part, where it is not beside the other libraries

inline constexpr const char* kHook = "HOLDFAST_HOOK";  // in a command of `hooks:`: which one it is

inline std::optional<std::string> get(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

/// Of the type of `otherwise`; a number beyond it is its largest or its smallest.
template <std::integral Number>
Number get_number(const char* name, Number otherwise) {
  using Limits = std::numeric_limits<Number>;
  const char* value = std::getenv(name);
  return value ? static_cast<Number>(std::clamp<long long>(std::strtoll(value, nullptr, 10), Limits::min(), Limits::max())) : otherwise;
}

/// The rank that the launcher gave this process: Open MPI's, PMIx's or Slurm's variable; 0 without a launcher.
inline int launcher_rank() { return get_number("OMPI_COMM_WORLD_RANK", get_number("PMIX_RANK", get_number("SLURM_PROCID", 0))); }
/// Likewise, its number among the ranks of its host.
inline int launcher_local_rank() {
  return get_number("OMPI_COMM_WORLD_LOCAL_RANK", get_number("PMIX_LOCAL_RANK", get_number("SLURM_LOCALID", 0)));
}

/// How many ranks it has started, by Open MPI's or Slurm's variable; 1 without a launcher.
inline int launcher_size() { return get_number("OMPI_COMM_WORLD_SIZE", get_number("SLURM_NTASKS", 1)); }

}  // namespace holdfast::environment
