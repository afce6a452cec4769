// How much of what an earlier attempt has written is kept when a run goes on: all up to the restored state.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

inline constexpr std::string_view kValidationKind = "validation";

struct KeptMetrics {
  std::int64_t step = 0;            // of the restored state; 0: the run begins
  bool is_validation_owed = false;  // that of this step is made now: what stands of one was written by an attempt that was lost
  bool keeps(std::int64_t line_step, std::string_view kind) const {
    return line_step < step || (line_step == step && !(is_validation_owed && kind == kValidationKind));
  }
};

}  // namespace holdfast
