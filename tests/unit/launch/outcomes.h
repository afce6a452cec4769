// Ends of ranks and of attempts, as the tests of the policy and of the supervision need them.
#pragma once

#include <string>

#include "base/exit_code.h"
#include "launch/restart_policy.h"

namespace holdfast {

inline ExitRecord exited(int rank, int code, const std::string& error = "") {
  return {.rank = rank, .host = "a", .exit_code = code, .section = "forward", .step = 12, .global_step = 11, .error = error};
}

inline ExitRecord killed(int rank, int signal) {
  return {.rank = rank, .host = "a", .signal = signal, .section = "backward", .step = 12, .global_step = 11};
}

inline ExitRecord killed_by_us(int rank) {
  ExitRecord record = killed(rank, 9);
  record.was_killed_by_us = true;
  return record;
}

inline ExitRecord lost_shim(int rank) { return {.rank = rank, .host = "a", .is_shim_lost = true}; }

/// An attempt that started from `before` and left `after` as its newest durable step.
inline AttemptOutcome attempt(int number, std::vector<ExitRecord> ends, std::int64_t before = 7, std::int64_t after = 14) {
  return {.attempt = number, .ends = std::move(ends), .durable_before = before, .durable_after = after, .reached_step = after + 3};
}

}  // namespace holdfast
