#include "data/permutation.h"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace holdfast {
namespace {

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection that mixes every bit into every bit.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Permutation::Permutation(std::int64_t n, std::uint64_t seed, std::int64_t epoch) : n_(static_cast<std::uint64_t>(n)) {
  if (n < 1) throw std::invalid_argument("a permutation of fewer than 1 element");
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(n_ - 1)) + 1) / 2);
  half_mask_ = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t key = mix(mix(seed) ^ static_cast<std::uint64_t>(epoch));
  for (std::uint64_t& round_key : keys_) round_key = key = mix(key);
}

std::uint64_t Permutation::encrypt(std::uint64_t value) const {
  std::uint64_t left = value >> half_bits_, right = value & half_mask_;
  for (const std::uint64_t key : keys_) {
    const std::uint64_t next = left ^ (mix(right ^ key) & half_mask_);
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

std::int64_t Permutation::operator()(std::int64_t i) const {
  // The domain is less than four times n, so that the walk takes less than four steps on average.
  std::uint64_t value = static_cast<std::uint64_t>(i);
  do value = encrypt(value);
  while (value >= n_);
  return static_cast<std::int64_t>(value);
}

}  // namespace holdfast
