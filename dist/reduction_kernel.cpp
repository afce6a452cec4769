#include "dist/reduction_kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <type_traits>

// One source, compiled for what the processor can do; additions alone have the same bits in each.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define HOLDFAST_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define HOLDFAST_VECTORISED
#endif

namespace holdfast {
namespace {

constexpr std::size_t kChunk = 2048;  // elements: stays in the first cache

struct BFloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

float widened(BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }
float widened(Float16 value) { return static_cast<float>(std::bit_cast<_Float16>(value.bits)); }

void narrow(float value, BFloat16& into) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  into.bits = is_nan ? 0x7fc0 : static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);  // to nearest, ties to even
}
void narrow(float value, Float16& into) { into.bits = std::bit_cast<std::uint16_t>(static_cast<_Float16>(value)); }

constexpr std::uint32_t kExponent = 0x7f800000U;  // all ones: infinite or not a number

HOLDFAST_VECTORISED void add(float* into, const float* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) into[i] += from[i];
}

/// The sum of two, into both, unless it has an element that is not finite.
HOLDFAST_VECTORISED bool add_pair(float* __restrict a, float* __restrict b, std::size_t count) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i)
    bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(a[i] + b[i]) & kExponent) == kExponent);
  if (bad != 0) return false;
  for (std::size_t i = 0; i < count; ++i) a[i] = b[i] = a[i] + b[i];
  return true;
}

HOLDFAST_VECTORISED bool are_finite(const float* values, std::size_t count) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i)
    bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(values[i]) & kExponent) == kExponent);
  return bad == 0;
}

HOLDFAST_VECTORISED void load(float* into, const BFloat16* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) into[i] = widened(from[i]);
}
HOLDFAST_VECTORISED void load(float* into, const Float16* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) into[i] = widened(from[i]);
}
void load(float* into, const float* from, std::size_t count) { std::memcpy(into, from, count * sizeof(float)); }

HOLDFAST_VECTORISED void store(BFloat16* into, const float* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) narrow(from[i], into[i]);
}
HOLDFAST_VECTORISED void store(Float16* into, const float* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) narrow(from[i], into[i]);
}
void store(float* into, const float* from, std::size_t count) { std::memcpy(into, from, count * sizeof(float)); }

template <class Element>
Element* element(std::byte* buffer, std::size_t index) {
  return reinterpret_cast<Element*>(buffer) + index;
}

/// The first buffer with an element among these that is not finite.
template <class Element>
int culprit(std::span<std::byte* const> buffers, std::size_t begin, std::size_t count) {
  float values[kChunk];
  for (std::size_t k = 0; k < buffers.size(); ++k) {
    load(values, element<Element>(buffers[k], begin), count);
    if (!are_finite(values, count)) return static_cast<int>(k);
  }
  return -1;  // the sum has overflown
}

/// `Element`: what is in the buffers; the sums are float32.
template <class Element>
int sum(std::span<std::byte* const> buffers, std::size_t mine, std::size_t begin, std::size_t end, bool is_shared_out) {
  float sums[kChunk], terms[kChunk];
  int bad = -1;
  for (std::size_t at = begin; at < end; at += kChunk) {
    const std::size_t count = std::min(kChunk, end - at);
    if constexpr (std::is_same_v<Element, float>)  // without a copy in between
      if (buffers.size() == 2 && is_shared_out && add_pair(element<float>(buffers[0], at), element<float>(buffers[1], at), count)) continue;
    load(sums, element<Element>(buffers[0], at), count);
    for (std::size_t k = 1; k < buffers.size(); ++k) {
      if constexpr (std::is_same_v<Element, float>) {
        add(sums, element<float>(buffers[k], at), count);
      } else {
        load(terms, element<Element>(buffers[k], at), count);
        add(sums, terms, count);
      }
    }
    if (!are_finite(sums, count))
      if (const int found = culprit<Element>(buffers, at, count); found >= 0) bad = bad < 0 ? found : std::min(bad, found);
    store(element<Element>(buffers[mine], at), sums, count);
    if (!is_shared_out) continue;
    for (std::size_t k = 0; k < buffers.size(); ++k)
      if (k != mine) std::memcpy(element<Element>(buffers[k], at), element<Element>(buffers[mine], at), count * sizeof(Element));
  }
  return bad;
}

template <class Element>
Element combined(Element a, Element b, ReduceOp op) {
  return op == ReduceOp::sum ? a + b : op == ReduceOp::max ? std::max(a, b) : std::min(a, b);
}

template <class Element>
void combine(std::span<std::byte* const> buffers, std::size_t mine, std::size_t begin, std::size_t end, ReduceOp op, bool is_shared_out) {
  for (std::size_t i = begin; i < end; ++i) {
    Element result = *element<Element>(buffers[0], i);
    for (std::size_t k = 1; k < buffers.size(); ++k) result = combined(result, *element<Element>(buffers[k], i), op);
    for (std::size_t k = 0; k < buffers.size(); ++k)
      if (k == mine || is_shared_out) *element<Element>(buffers[k], i) = result;
  }
}

}  // namespace

std::size_t size_of(ReduceType type) {
  switch (type) {
    case ReduceType::f32: return 4;
    case ReduceType::f64:
    case ReduceType::i64: return 8;
    case ReduceType::bf16:
    case ReduceType::f16: return 2;
  }
  throw std::logic_error("unknown reduce type");
}

int reduce(std::span<std::byte* const> buffers, std::size_t mine, std::size_t begin, std::size_t end, ReduceType type, ReduceOp op,
           bool is_shared_out) {
  if (type == ReduceType::f32 && op == ReduceOp::sum) return sum<float>(buffers, mine, begin, end, is_shared_out);
  if (type == ReduceType::bf16 && op == ReduceOp::sum) return sum<BFloat16>(buffers, mine, begin, end, is_shared_out);
  if (type == ReduceType::f16 && op == ReduceOp::sum) return sum<Float16>(buffers, mine, begin, end, is_shared_out);
  if (type == ReduceType::f32)
    combine<float>(buffers, mine, begin, end, op, is_shared_out);
  else if (type == ReduceType::f64)
    combine<double>(buffers, mine, begin, end, op, is_shared_out);
  else if (type == ReduceType::i64)
    combine<std::int64_t>(buffers, mine, begin, end, op, is_shared_out);
  else
    throw std::invalid_argument("half-precision values are summed, nothing else");
  return -1;
}

}  // namespace holdfast
