// How often a shim tells the supervisor of its rank: each such status message is a word.
#pragma once

#include <algorithm>
#include <cmath>

namespace holdfast {

/// Every 0.2 s up to 4,000 ranks. With more of them less often, so that all of them together send 20,000 words a second, which takes a
/// supervisor a quarter of a core (docs/scaling.md); but no less often than every 0.5 s, which is reached at 10,000 ranks: of a shim that
/// says nothing for a second nothing is known (hang_watch.cpp).
inline double word_seconds(int ranks) {
  constexpr double kShortest = 0.2, kLongest = 0.5, kWordsASecond = 20000;
  return std::clamp(ranks / kWordsASecond, kShortest, kLongest);
}

/// How long to wait for what is due then: rounded up, so that it is not too early, and `most` at most.
inline int milliseconds_until(double due, double now, int most) {
  return static_cast<int>(std::clamp(std::ceil(1000 * (due - now)), 0.0, static_cast<double>(most)));
}

}  // namespace holdfast
