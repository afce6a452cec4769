// The times of the supervisor's loop. bench/scale goes by them, too.
#pragma once

namespace holdfast {

inline constexpr int kLoopMilliseconds = 50;    // of a turn in which nothing happens
inline constexpr double kPingSeconds = 1;       // between two signs of life to the shims
inline constexpr double kSilenceSeconds = 1.5;  // seven words of a shim are missing, three with 10,000 ranks

/// Between two turns: each looks at all ranks, so with thousands of them a turn waits until several have spoken. Nothing below 1,000 ranks,
/// 10 ms at 10,000.
inline int rest_milliseconds(int ranks) { return ranks / 1000; }

}  // namespace holdfast
