// The times of the supervisor's loop. bench/scale goes by them, too.
#pragma once

namespace holdfast {

inline constexpr int kLoopMilliseconds = 50;    // of a turn in which nothing happens
inline constexpr double kPingSeconds = 1;       // between two signs of life to the shims
inline constexpr double kSilenceSeconds = 1.5;  // seven words of a shim are missing, three with 10,000 ranks

}  // namespace holdfast
