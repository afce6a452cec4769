// The faults that chaos knows: what each does to a run, and what the run ought to say of it.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "launch/chaos/processes.h"

namespace holdfast {

/// What a run does after a fault, and has to call it.
enum class Effect {
  nothing,             // it trains on, in the same attempt
  rank_dies,           // the cause is a rank of those that were struck, ended by the signal
  rank_hangs,          // ... that hung
  shim_is_lost,        // ... whose shim is gone without a word
  launcher_dies,       // mpirun was ended by the signal
  launcher_continues,  // mpirun was stopped, and the supervisor lets it go on
  ranks_stop,          // the ranks have saved and ended because one of them was told to, and start again
  run_stops,           // the supervisor saved and ended with 75; it is started again
  supervisor_dies      // it was killed; it is started again
};

struct Fault {
  std::string_view name, what;
  Effect effect;
};

/// All of them, in the order of the list in docs/operations.md.
std::span<const Fault> faults();

/// A fault that has struck.
struct Strike {
  const Fault* fault = nullptr;
  std::set<int> ranks = {};  // that it struck; empty: none in particular
  int signal = 0;
  std::string note = {};  // "damaged step-00000040/shard-00000-of-00002.h5 at byte 8192"
};

/// What a fault strikes.
struct Victim {
  Path run;
  pid_t supervisor = 0;
  RunProcesses processes;
};

/// Lets `fault` strike. nullopt: it cannot strike now (no second state that could be fallen back to, a process has just gone). Takes two
/// seconds at most. `random` decides where what is left open strikes.
std::optional<Strike> strike(const Fault& fault, const Victim& victim, std::mt19937_64& random);

}  // namespace holdfast
