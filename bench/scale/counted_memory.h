// The heap memory that is taken while counting is on, by whatever thread: what one of many ranks in a process needs. The program that links
// this has operators new and delete that count.
#pragma once

#include <cstddef>

namespace holdfast {

class CountedMemory {
 public:
  /// Begins anew, with counting off.
  static void forget();
  static void count(bool is_on);
  /// The most that was taken and not given back at a time, while counting was on, since forget().
  static std::size_t peak_bytes();
};

}  // namespace holdfast
