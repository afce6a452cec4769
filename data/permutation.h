// The order of samples in an epoch: a keyed permutation of [0, n) that can be evaluated at any index, so that the position
// in the data is one integer. A balanced Feistel network over the next even power of two with cycle walking
// (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains").
#pragma once

#include <array>
#include <cstdint>

namespace holdfast {

class Permutation {
 public:
  /// n >= 1.
  Permutation(std::int64_t n, std::uint64_t seed, std::int64_t epoch);
  /// Where index `i` of [0, n) goes. Pure; any thread.
  std::int64_t operator()(std::int64_t i) const;

 private:
  static constexpr int kRounds = 10;
  std::uint64_t encrypt(std::uint64_t value) const;
  std::uint64_t n_;
  int half_bits_;
  std::uint64_t half_mask_;
  std::array<std::uint64_t, kRounds> keys_;
};

}  // namespace holdfast
