// How often a shim tells the supervisor of its rank.
#pragma once

#include <algorithm>

namespace holdfast {

/// Every 0.2 s up to 4,000 ranks; with more of them less often, so that one supervisor can read the 20,000 words a second that there are at
/// most up to 10,000 ranks; but twice a second in any case: a shim that says nothing for a second counts as deaf (hang_watch.cpp).
inline double word_seconds(int ranks) {
  constexpr double kShortest = 0.2, kLongest = 0.5, kWordsASecond = 20000;
  return std::clamp(ranks / kWordsASecond, kShortest, kLongest);
}

}  // namespace holdfast
